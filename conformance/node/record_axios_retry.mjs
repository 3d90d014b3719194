// axios-retry around axios, as it is and with exponentialDelay, against a server that fails.

import { Script, handOver, serve } from './common.mjs';

const script = new Script(/axios-retry/);
const { default: axios } = await import('axios');
const { default: axiosRetry } = await import('axios-retry');
const server = await serve(script);

async function row(preset, options) {
  const client = axios.create({ proxy: false });
  axiosRetry(client, options);
  const works = { GET: () => client.get(server.url), PUT: () => client.put(server.url, {}), POST: () => client.post(server.url, {}) };
  server.outcome = 503;
  return { preset, calls: await script.record(works.GET), retried: await script.retried(server, works) };
}

handOver(await row('axios-retry', {}), await row('axios-retry-exponential', { retryDelay: axiosRetry.exponentialDelay }));
