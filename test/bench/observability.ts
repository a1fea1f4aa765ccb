/**
 * `npm run bench -- observability [--seconds 3 --rounds 5]`: what it costs to know who calls, to say what they may and to keep what they
 * did. Gateways with more and more of it on are put under the same load in turn, each on a core of its own.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { BACKINGS } from '../support/workers.ts';
import { type Contestant, cpuOf, load, median, type Sample } from './contest.ts';
import { quiet } from './quiet.ts';
import { findPinning, findTools, freePort, startServer } from './tools.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '64' },
    payload: { type: 'string', default: '100' },
  },
});

/** Until what is hot is compiled and the memory is there. */
const WARM_UP_SECONDS = 10;

const KEY = randomBytes(32).toString('hex');
const POLICY = {
  rules: [
    { effect: 'deny', roles: ['support'], annotations: { destructive: true } },
    { effect: 'deny', tools: ['delete_*'] },
  ],
};

const AUTHENTICATED = {
  DRAGON_AUTH: 'api-key',
  DRAGON_HOST: '127.0.0.1',
  DRAGON_ADMIN_API_KEY: KEY,
  DRAGON_ALLOWED_NETWORKS: 'loopback',
};

/** Each with what the one before has. Metrics are never off. */
const STAGES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'all off': { DRAGON_EVENTS: 'off' },
  'API key': { DRAGON_EVENTS: 'off', ...AUTHENTICATED },
  'API key, policy': { DRAGON_EVENTS: 'off', ...AUTHENTICATED, DRAGON_POLICY: JSON.stringify(POLICY) },
  'API key, policy, events': { ...AUTHENTICATED, DRAGON_POLICY: JSON.stringify(POLICY) },
  'API key, policy, events, traces of 1 %': {
    ...AUTHENTICATED,
    DRAGON_POLICY: JSON.stringify(POLICY),
    OTEL_EXPORTER_OTLP_ENDPOINT: await startCollector(),
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: '0.01',
  },
};

/** Takes what it is sent and keeps nothing. Returns its URL. */
async function startCollector(): Promise<string> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.end());
  });
  server.listen(0, '127.0.0.1').unref();
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const folder = await mkdtemp(join(tmpdir(), 'dragon-observability-'));
const tools = await findTools(folder);
const pins = await findPinning();
const port = await freePort();
const downstream = await startServer([...pins.rest, ...tools.downstream(port)]);
const downstreamUrl = /http:\S+/.exec(downstream.line)?.[0] ?? `http://127.0.0.1:${port}/mcp`;

async function loaded({ gateway }: Contestant, seconds: number): Promise<Sample> {
  await quiet();
  return load(gateway, seconds, {
    tools,
    prefix: pins.rest,
    ...values,
    warmupSeconds: 1,
    gatewayPids: [gateway.process.pid],
    downstreamPid: downstream.process.pid,
    header: `Authorization: Bearer ${KEY}`,
  });
}

async function add(gateway: Gateway): Promise<void> {
  const answer = await fetch(`${gateway.grpcUrl}/dragon.turnstile.api.v1.TurnstileService/CreateMcpServer`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}` },
    body: JSON.stringify({ name: 'bench', url: downstreamUrl }),
  });
  // Gateways that share a database share its servers.
  if (!answer.ok && answer.status !== 409) throw new Error(await answer.text());
}

function row({ name, samples }: Contestant, first: readonly Sample[]): string {
  // Within a round, so that what drifts on the machine meets both.
  const beside = (ratio: (sample: Sample, base: Sample) => number) =>
    median(
      samples.flatMap((sample, round) => first.slice(round, round + 1).map((base) => ratio(sample, base))),
    );
  const cells = [
    median(samples.map(({ rps }) => rps)).toFixed(0),
    median(samples.map(cpuOf)).toFixed(1),
    beside((sample, base) => sample.rps / base.rps).toFixed(2),
    beside((sample, base) => cpuOf(base) / cpuOf(sample)).toFixed(2),
    median(samples.map(({ p99 }) => p99)).toFixed(1),
    median(samples.map(({ otherCpuShare = Number.NaN }) => otherCpuShare)).toFixed(2),
    samples.reduce((sum, { errors }) => sum + errors, 0),
  ];
  return `| ${name} | ${cells.join(' | ')} |`;
}

try {
  if (!tools.isInC) throw new Error('needs the load generator in C, which sends headers');
  console.log(
    `${tools.description}; ${pins.description}; ${values.connections} connections, ${values.payload} bytes; ` +
      `medians of ${values.rounds} rounds; ratios made within each`,
  );
  for (const [where, open] of Object.entries(BACKINGS)) {
    const backing = await open();
    const contestants: Contestant[] = [];
    try {
      for (const [stage, env] of Object.entries(STAGES)) {
        const gateway = await startGateway({ env: { ...backing.env, ...env }, prefix: pins.proxy });
        contestants.push({ name: stage, gateway, samples: [] });
        await add(gateway);
      }
      for (const contestant of contestants) await loaded(contestant, WARM_UP_SECONDS);
      for (let round = 0; round < Number(values.rounds); round++) {
        // In turn from either end, so that none is always the first.
        const inOrder = round % 2 === 0 ? contestants : contestants.toReversed();
        for (const each of inOrder) each.samples.push(await loaded(each, Number(values.seconds)));
      }
    } finally {
      await Promise.all(contestants.map(({ gateway }) => gateway.stop()));
      await backing.stop();
    }
    console.log(`
${where === 'at their primary' ? 'One node, embedded database' : 'Redis and PostgreSQL'}:

|  | calls/s | CPU a call, µs | calls/s beside all off | the same by CPU | p99, ms | others, cores | errors |
|---|--:|--:|--:|--:|--:|--:|--:|`);
    for (const contestant of contestants) console.log(row(contestant, contestants[0]?.samples ?? []));
  }
} finally {
  downstream.process.kill();
  await rm(folder, { recursive: true, force: true });
}
