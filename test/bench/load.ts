/**
 * A closed-loop load generator for machines without a C compiler and for clients of the modern era: one connection and
 * one session each, one call in flight on each. Takes the options and prints the JSON line of the one in C, as far as
 * both are used.
 */
import { parseArgs } from 'node:util';
import type { Era } from './client.ts';
import { Client } from './client.ts';
import { machineCpu, processesCpu } from './cluster/cpu.ts';

const { values } = parseArgs({
  options: {
    url: { type: 'string', default: '' },
    sessions: { type: 'string', default: '1' },
    payload: { type: 'string', default: '100' },
    duration: { type: 'string', default: '8' },
    warmup: { type: 'string', default: '2' },
    tool: { type: 'string', default: 'echo' },
    era: { type: 'string', default: 'legacy' },
    'gw-pids': { type: 'string', default: '' },
    'ds-pids': { type: 'string', default: '' },
  },
});
const pidsOf = (list: string) => list.split(',').filter(Boolean).map(Number);
const targets = pidsOf(values['gw-pids']);
const downstreams = pidsOf(values['ds-pids']);
const warmupEnd = performance.now() + Number(values.warmup) * 1000;
const end = warmupEnd + Number(values.duration) * 1000;
const latencies: number[] = [];
let errors = 0;
let firstError = '';

/** CPU milliseconds so far. */
const cpuNow = () => ({
  target: processesCpu(targets) ?? 0,
  downstream: processesCpu(downstreams) ?? 0,
  own: process.cpuUsage().user / 1000 + process.cpuUsage().system / 1000,
  machine: machineCpu() ?? 0,
});
let before: ReturnType<typeof cpuNow> | undefined;

async function run(client: Client): Promise<void> {
  for (let now = performance.now(); now < end; ) {
    if (before === undefined && now >= warmupEnd) before = cpuNow();
    const error = await client.call();
    const done = performance.now();
    if (error !== undefined) {
      errors++;
      firstError ||= error;
    } else if (now >= warmupEnd) latencies.push(done - now);
    now = done;
  }
}

const open = () => Client.open([new URL(values.url)], values.tool, Number(values.payload), values.era as Era);
const clients = await Promise.all(Array.from({ length: Number(values.sessions) }, open));
await Promise.all(clients.map(run));
const after = cpuNow();
for (const client of clients) client.close();

latencies.sort((a, b) => a - b);
const percentile = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0;
const milliseconds = Number(values.duration) * 1000;
const spent = (what: keyof typeof after) => (after[what] - (before ?? after)[what]) / milliseconds;
const other = spent('machine') - spent('target') - spent('downstream') - spent('own');
console.log(
  JSON.stringify({
    rps: (latencies.length / milliseconds) * 1000,
    p50: percentile(0.5),
    p99: percentile(0.99),
    errors,
    firstError,
    ...(process.platform === 'linux' && {
      gwCpuPer1k: (spent('target') * milliseconds) / Math.max(1, latencies.length),
      dsCpuShare: spent('downstream'),
      lgCpuShare: spent('own'),
      otherCpuShare: other,
    }),
  }),
);
