/**
 * `npm run bench -- workers`: calls a second of a gateway of one process and of several, where whatever makes and answers
 * the load runs on the same processors. Nothing is pinned. Where others need a part of the processors, that much less is there
 * to be gained: what each took is told beside the calls.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { BACKINGS, workerPids } from '../support/workers.ts';
import { findTools, freePort, output, startServer } from './tools.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '6' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '64' },
    payload: { type: 'string', default: '100' },
    /** Numbers of workers. */
    workers: { type: 'string', default: `1,${Math.max(2, availableParallelism())}` },
  },
});

/** A line of the load generator's, as far as it is used here. */
interface Sample {
  readonly rps: number;
  readonly p50: number;
  readonly p99: number;
  readonly errors: number;
  /** CPU milliseconds for a call, which are seconds for a thousand. */
  readonly gwCpuPer1k?: number;
  readonly dsCpuShare?: number;
  readonly lgCpuShare?: number;
  readonly otherCpuShare?: number;
}

interface Contestant {
  readonly workers: string;
  readonly gateway: Gateway;
  readonly samples: Sample[];
}

const folder = await mkdtemp(join(tmpdir(), 'dragon-workers-'));
const tools = await findTools(folder);
const port = await freePort();
const downstream = await startServer(tools.downstream(port));
const downstreamUrl = /http:\S+/.exec(downstream.line)?.[0] ?? `http://127.0.0.1:${port}/mcp`;

async function load({ gateway }: Contestant, seconds: number): Promise<Sample> {
  const { connections, payload } = values;
  const pids = [gateway.process.pid, ...workerPids(gateway)];
  const options = {
    url: gateway.mcpUrl,
    ...(tools.isInC && { mode: 'call' }),
    sessions: connections,
    payload,
    duration: seconds,
    warmup: 2,
    tool: 'bench__echo',
    'gw-pids': pids.join(','),
    'ds-pids': downstream.process.pid,
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return JSON.parse(await output([...tools.load, ...args]));
}

function median(samples: readonly Sample[], of: (sample: Sample) => number | undefined): number {
  const sorted = samples.map((sample) => of(sample) ?? 0).toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function row({ workers, samples }: Contestant): string {
  const cpu = ({ gwCpuPer1k = 0 }: Sample) => gwCpuPer1k * 1000;
  const cells = [
    [({ rps }: Sample) => rps, 0],
    [({ p50 }: Sample) => p50, 2],
    [({ p99 }: Sample) => p99, 2],
    [cpu, 0],
    [(sample: Sample) => (cpu(sample) * sample.rps) / 1e6, 2],
    [({ dsCpuShare }: Sample) => dsCpuShare, 2],
    [({ lgCpuShare }: Sample) => lgCpuShare, 2],
    [({ otherCpuShare }: Sample) => otherCpuShare, 2],
    [({ errors }: Sample) => errors, 0],
  ] as const;
  return `| ${workers} | ${cells.map(([of, digits]) => median(samples, of).toFixed(digits)).join(' | ')} |`;
}

try {
  console.log(
    `${tools.description}; ${availableParallelism()} processors for everything, nothing pinned; ` +
      `${values.connections} connections, ${values.payload} bytes; medians of ${values.rounds} rounds`,
  );
  for (const [where, open] of Object.entries(BACKINGS)) {
    const backing = await open();
    const contestants: Contestant[] = [];
    try {
      for (const workers of values.workers.split(',')) {
        const gateway = await startGateway({ env: { ...backing.env, DRAGON_WORKERS: workers } });
        contestants.push({ workers, gateway, samples: [] });
        const known = await gateway.manage('ListMcpServers');
        if (known['servers'] === undefined) await gateway.addServer({ name: 'bench', url: downstreamUrl });
      }
      for (const contestant of contestants) await load(contestant, 1);
      for (let round = 0; round < Number(values.rounds); round++) {
        for (const each of contestants) each.samples.push(await load(each, Number(values.seconds)));
      }
    } finally {
      await Promise.all(contestants.map(({ gateway }) => gateway.stop()));
      await backing.stop();
    }
    console.log(`
What workers share is ${where}:

| workers | calls/s | p50, ms | p99, ms | CPU a call, µs | cores: gateway | server | load | other | errors |
|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|`);
    for (const contestant of contestants) console.log(row(contestant));
    const [one, ...more] = contestants;
    for (const { workers, samples } of more) {
      const ratio = median(samples, ({ rps }) => rps) / median(one?.samples ?? [], ({ rps }) => rps);
      console.log(`\n${workers} workers do ${ratio.toFixed(2)} of what ${one?.workers} does.`);
    }
  }
} finally {
  downstream.process.kill();
  await rm(folder, { recursive: true, force: true });
}
