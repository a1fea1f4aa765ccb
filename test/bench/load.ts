/**
 * A closed-loop load generator for machines without a C compiler: one connection and one session each, one call in
 * flight on each. Takes the options and prints the JSON line of the one in C, as far as both are used.
 */
import { parseArgs } from 'node:util';
import { Client } from './client.ts';

const { values } = parseArgs({
  options: {
    url: { type: 'string', default: '' },
    sessions: { type: 'string', default: '1' },
    payload: { type: 'string', default: '100' },
    duration: { type: 'string', default: '8' },
    warmup: { type: 'string', default: '2' },
    tool: { type: 'string', default: 'echo' },
  },
});
const warmupEnd = performance.now() + Number(values.warmup) * 1000;
const end = warmupEnd + Number(values.duration) * 1000;
const latencies: number[] = [];
let errors = 0;
let firstError = '';

async function run(client: Client): Promise<void> {
  for (let now = performance.now(); now < end; ) {
    const error = await client.call();
    const done = performance.now();
    if (error !== undefined) {
      errors++;
      firstError ||= error;
    } else if (now >= warmupEnd) latencies.push(done - now);
    now = done;
  }
  client.close();
}

const open = () => Client.open([new URL(values.url)], values.tool, Number(values.payload));
const clients = await Promise.all(Array.from({ length: Number(values.sessions) }, open));
await Promise.all(clients.map(run));

latencies.sort((a, b) => a - b);
const percentile = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0;
const rps = latencies.length / Number(values.duration);
console.log(JSON.stringify({ rps, p50: percentile(0.5), p99: percentile(0.99), errors, firstError }));
