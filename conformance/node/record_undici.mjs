// undici: its retry agent, as it is, against a server that fails.

import { Script, handOver, serve } from './common.mjs';

const script = new Script(/retry-handler/);
const { Agent, RetryAgent } = await import('undici');
const server = await serve(script);
const agent = new RetryAgent(new Agent());

const request = (method, body) => async () => {
  const { statusCode } = await agent.request({ origin: server.url, path: '/', method, body });
  throw new Error(`not retried, or retried in vain: ${statusCode}`);
};
const works = { GET: request('GET'), PUT: request('PUT', 'x'), POST: request('POST', 'x') };

handOver({ preset: 'undici', calls: await script.record(works.GET, 5), retried: await script.retried(server, works) });
