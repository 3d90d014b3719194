// p-retry, as it is, around a function that fails.

import { Script, handOver } from './common.mjs';

const script = new Script(/p-retry/);
const { default: pRetry } = await import('p-retry');

const failing = () => {
  script.attempt();
  throw new Error('scripted');
};
handOver({ preset: 'p-retry', calls: await script.record(() => pRetry(failing), 5) });
