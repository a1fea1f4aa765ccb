/**
 * `npm run bench -- workers`: calls a second of a gateway of one process and of several, where whatever makes and answers
 * the load runs on the same processors. Nothing is pinned. Where others need a part of the processors, that much less is there
 * to be gained: what each took is told beside the calls.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startGateway } from '../support/gateway.ts';
import { BACKINGS, workerPids } from '../support/workers.ts';
import { type Contestant, cpuOf, load, median, type Sample } from './contest.ts';
import { findTools, freePort, startServer } from './tools.ts';

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

const folder = await mkdtemp(join(tmpdir(), 'dragon-workers-'));
const tools = await findTools(folder);
const port = await freePort();
const downstream = await startServer(tools.downstream(port));
const downstreamUrl = /http:\S+/.exec(downstream.line)?.[0] ?? `http://127.0.0.1:${port}/mcp`;

function loaded({ gateway }: Contestant, seconds: number): Promise<Sample> {
  return load(gateway, seconds, {
    tools,
    ...values,
    warmupSeconds: 2,
    gatewayPids: [gateway.process.pid, ...workerPids(gateway)],
    downstreamPid: downstream.process.pid,
  });
}

function row({ name, samples }: Contestant): string {
  const cells = [
    [({ rps }: Sample) => rps, 0],
    [({ p50 }: Sample) => p50, 2],
    [({ p99 }: Sample) => p99, 2],
    [cpuOf, 0],
    [(sample: Sample) => (cpuOf(sample) * sample.rps) / 1e6, 2],
    [({ dsCpuShare = 0 }: Sample) => dsCpuShare, 2],
    [({ lgCpuShare = 0 }: Sample) => lgCpuShare, 2],
    [({ otherCpuShare = 0 }: Sample) => otherCpuShare, 2],
    [({ errors }: Sample) => errors, 0],
  ] as const;
  return `| ${name} | ${cells.map(([of, digits]) => median(samples.map(of)).toFixed(digits)).join(' | ')} |`;
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
        contestants.push({ name: workers, gateway, samples: [] });
        const known = await gateway.manage('ListMcpServers');
        if (known['servers'] === undefined) await gateway.addServer({ name: 'bench', url: downstreamUrl });
      }
      for (const contestant of contestants) await loaded(contestant, 1);
      for (let round = 0; round < Number(values.rounds); round++) {
        for (const each of contestants) each.samples.push(await loaded(each, Number(values.seconds)));
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
    const rate = (samples: readonly Sample[] = []) => median(samples.map(({ rps }) => rps));
    for (const { name, samples } of more) {
      const ratio = rate(samples) / rate(one?.samples);
      console.log(`\n${name} workers do ${ratio.toFixed(2)} of what ${one?.name} does.`);
    }
  }
} finally {
  downstream.process.kill();
  await rm(folder, { recursive: true, force: true });
}
