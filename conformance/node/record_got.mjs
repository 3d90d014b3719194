// got, as it is, against a server that fails.

import { Script, handOver, serve } from './common.mjs';

const script = new Script(/got\/dist\/source\/core\/index/);
const { default: got } = await import('got');
const server = await serve(script);
const works = { GET: () => got.get(server.url), PUT: () => got.put(server.url, { body: 'x' }), POST: () => got.post(server.url, { body: 'x' }) };

handOver({ preset: 'got', calls: await script.record(works.GET), retried: await script.retried(server, works) });
