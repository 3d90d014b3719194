// stripe: the whole client, with its own HTTP client, against a server that fails.

import { Script, handOver, serve } from './common.mjs';

const script = new Script(/RequestSender/);
const { default: Stripe } = await import('stripe');
const server = await serve(script);
server.outcome = 500;

let keys = new Set();
server.heard = (request) => keys.add(request.headers['idempotency-key']);
const stripe = new Stripe('sk_test_scripted', { host: '127.0.0.1', port: server.port, protocol: 'http', telemetry: false });
const works = { GET: () => stripe.customers.retrieve('cus_1'), POST: () => stripe.customers.create({}) };

const calls = await script.record(works.POST);
let key = true;
for (let call = 0; call < 10; call += 1) {
  keys = new Set();
  await script.call(works.POST);
  key = key && keys.size === 1 && !keys.has(undefined);
}
handOver({ preset: 'stripe-node', calls, retried: await script.retried(server, works), key });
