/**
 * `npm run bench -- overload`: what a gateway does when it is offered more than it can do. A closed loop tells roughly what
 * that is, an open loop with many connections exactly; then parts and multiples of that are offered.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startGateway } from '../../support/gateway.ts';
import { findPinning, findTools, freePort, output, startServer } from '../tools.ts';
import type { Offered } from './offer.ts';

const OFFER = fileURLToPath(new URL('./offer.ts', import.meta.url));

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '8' },
    connections: { type: 'string', default: '2000' },
    payload: { type: 'string', default: '100' },
    answers: { type: 'string', default: 'json' },
    /** Of the peak. */
    loads: { type: 'string', default: '1,2,3' },
    rounds: { type: 'string', default: '3' },
    /** As `NAME=value`, for the gateway. */
    env: { type: 'string', multiple: true, default: [] },
  },
});

/** Of the rate of the closed loop: where the peak is looked for first, and how much further on each time. */
const FIRST = 0.75;
const STEP = 1.2;

/** So much is done of what is asked for as long as nothing has to be refused. */
const ALL = 0.97;
const TRIES = 2;

/** Beyond this share of the core for others a sample does not count. */
const NOISY = 0.12;

const folder = await mkdtemp(join(tmpdir(), 'dragon-overload-'));
const tools = await findTools(folder);
const pinning = await findPinning();
const port = await freePort();
const downstream = await startServer([
  ...pinning.rest,
  ...tools.downstream(port, { answers: values.answers === 'sse' ? 'sse' : 'json' }),
]);
const gateway = await startGateway({
  prefix: pinning.proxy,
  env: Object.fromEntries(values.env.map((entry) => entry.split(/=(.*)/s).slice(0, 2))),
});

async function offer(rate: number, connections: number): Promise<Offered> {
  const options = {
    url: gateway.mcpUrl,
    rate,
    connections,
    payload: values.payload,
    duration: values.seconds,
    tool: 'bench__echo',
    core: pinning.proxy.length > 0 ? '0' : '',
    pids: `${gateway.process.pid},${downstream.process.pid}`,
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return JSON.parse(await output([...pinning.rest, process.execPath, OFFER, ...args]));
}

function show(name: string, offered: number, result: Offered): void {
  const { good, refused, unmade, failed, p50, p99, max, refusedP99, cpu, cpus, noise } = result;
  const cells = [
    name.padEnd(12),
    ...[offered, good, refused, unmade].map((value) => Math.round(value).toString().padStart(8)),
    ...[p50, p99, max, refusedP99].map((value) => value.toFixed(1).padStart(8)),
    String(failed).padStart(7),
    ...[cpu, ...cpus, noise].map((share) => share.toFixed(2).padStart(6)),
  ];
  console.log(cells.join(' '));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

try {
  const url = /http:\S+/.exec(downstream.line)?.[0] ?? `http://127.0.0.1:${port}/mcp`;
  await gateway.addServer({ name: 'bench', url });
  console.log(`${tools.description}; ${pinning.description}; ${values.connections} connections`);
  console.log(
    'load          offered     good  refused   unmade      p50      p99      max  ref-p99  failed   load gateway server  noise',
  );
  await offer(0, 64);
  const closed = await offer(0, 64);
  show('closed, 64', 0, closed);
  const connections = Number(values.connections);
  let peak = 0;
  let misses = 0;
  for (let rate = closed.good * FIRST; misses < TRIES; ) {
    const result = await offer(rate, connections);
    show('search', rate, result);
    peak = Math.max(peak, result.good);
    const isAll = result.good >= rate * ALL;
    // What is missing may be the machine's doing.
    misses = isAll ? 0 : misses + 1;
    if (isAll) rate *= STEP;
  }
  const loads = values.loads.split(',').map(Number);
  const results = new Map<number, Offered[]>(loads.map((load) => [load, []]));
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [load, ofLoad] of results) {
      const result = await offer(peak * load, connections);
      show(`${load} x`, peak * load, result);
      if (result.noise <= NOISY) ofLoad.push(result);
    }
  }
  const least = loads[0] ?? 1;
  for (const [load, ofLoad] of results) {
    const [good, p99] = [median(ofLoad.map((one) => one.good)), median(ofLoad.map((one) => one.p99))];
    const most = Math.max(peak, ...[...results.values()].map((all) => median(all.map((one) => one.good))));
    const p99AtLeast = median((results.get(least) ?? []).map((one) => one.p99));
    console.log(
      `median of ${ofLoad.length} at ${load} x: good ${Math.round(good)} (${(good / most).toFixed(2)} of the most), p99 ${p99.toFixed(1)} ms (${(p99 / p99AtLeast).toFixed(2)} times that at ${least} x)`,
    );
  }
} finally {
  await gateway.stop();
  downstream.process.kill();
  await rm(folder, { recursive: true, force: true });
}
