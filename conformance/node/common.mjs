// What all recorders share: timers of the retry code that fire at once, a list of waits, and a server on the loopback interface that fails
// on demand.

import http from 'node:http';

export const CALLS = 2000;
export const STATUSES = [400, 404, 408, 409, 413, 425, 429, 500, 501, 502, 503, 504, 509, 521, 522, 524];

// Packages draw from a generator of ours, so that results can be repeated.
let state = 20240229;
Math.random = () => {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};

/** The waits between the attempts of each call. */
export class Script {
  #waits = [];
  #pending = null;

  /** Replaces the timers that are set by code in a file that matches; call it before the package is imported. */
  constructor(file) {
    const real = globalThis.setTimeout;
    globalThis.setTimeout = (callback, delay = 0, ...rest) => {
      const frames = new Error().stack.split('\n');
      if (!file.test(frames[2] ?? '')) return real(callback, delay, ...rest);
      if (this.#pending !== null) this.#pending += delay / 1000;
      return real(callback, 0, ...rest);
    };
  }

  attempt() {
    if (this.#pending !== null) this.#waits.push(this.#pending);
    this.#pending = 0;
  }

  /** Makes one call, which must fail after at least one attempt, and gives back its waits. */
  async call(work) {
    this.#waits = [];
    this.#pending = null;
    let failed = false;
    try {
      await work();
    } catch {
      failed = true;
    }
    if (!failed || this.#pending === null) throw new Error('a call succeeded that should fail, or was never made');
    return this.#waits;
  }

  async record(work, calls = CALLS) {
    const all = [];
    while (all.length < calls) all.push(await this.call(work));
    return all;
  }

  /** For each method, which outcomes are retried, and which statuses that come with a hint. */
  async retried(server, works) {
    const decisions = {};
    for (const [name, work] of Object.entries(works)) {
      for (const [kind, outcomes, headers] of [
        [name, [...STATUSES, 'reset'], {}],
        [`${name} hinted`, STATUSES, { 'Retry-After': '3' }],
      ]) {
        decisions[kind] = {};
        server.headers = headers;
        for (const outcome of outcomes) {
          server.outcome = outcome;
          decisions[kind][outcome] = (await this.call(work)).length > 0;
        }
      }
    }
    server.headers = {};
    return decisions;
  }
}

/** Answers every request with `outcome`, or cuts the connection if that is "reset". */
export async function serve(script) {
  const server = { outcome: 503, headers: {}, heard: () => {} };
  const listener = http.createServer((request, response) => {
    script.attempt();
    server.heard(request);
    request.resume();
    request.on('end', () => {
      if (server.outcome === 'reset') return request.socket.destroy();
      response.writeHead(server.outcome, { 'Content-Type': 'application/json', ...server.headers });
      response.end('{"error":{"message":"scripted"}}');
    });
  });
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  server.port = listener.address().port;
  server.url = `http://127.0.0.1:${server.port}/`;
  return server;
}

export function handOver(...rows) {
  process.stdout.write(JSON.stringify(rows), () => process.exit(0));
}
