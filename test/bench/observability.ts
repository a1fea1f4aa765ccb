/**
 * `npm run bench -- observability [--seconds 3 --rounds 5]`: what it costs to know who calls, to say what they may and to keep what they
 * did. Gateways with more and more of it on, and what they are compared with besides, are put under the same load in turn,
 * on one core.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { BACKINGS } from '../support/workers.ts';
import { cpuOf, load, median, type Sample } from './contest.ts';
import { findBareNginx, startBareNginx } from './nginx.ts';
import { quiet } from './quiet.ts';
import { Scope } from './scope.ts';
import { findPinning, findTools, freePort, pinItself, startServer } from './tools.ts';

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

const FIRST_STAGE = 'all off';
const PROXY = 'bare proxy';
const NGINX = 'nginx';

/** Each with what the one before has. Metrics are never off. */
const STAGES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  [FIRST_STAGE]: { DRAGON_EVENTS: 'off' },
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

/** What is put under load: a gateway, or a proxy before the same server. */
interface Contestant {
  readonly name: string;
  readonly mcpUrl: string;
  readonly pid: number | undefined;
  readonly samples: Sample[];
}

const folder = await mkdtemp(join(tmpdir(), 'dragon-observability-'));
const tools = await findTools(folder);
const pins = await findPinning();
await pinItself(pins);
const port = await freePort();
const downstream = await startServer([...pins.rest, ...tools.downstream(port)]);
const downstreamUrl = /http:\S+/.exec(downstream.line)?.[0] ?? `http://127.0.0.1:${port}/mcp`;

async function loaded(contestant: Contestant, seconds: number): Promise<Sample> {
  await quiet();
  return load(contestant, seconds, {
    tools,
    prefix: pins.rest,
    ...values,
    warmupSeconds: 1,
    gatewayPids: [contestant.pid],
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
  if (!answer.ok) throw new Error(await answer.text());
}

/** The proxies that are here, before the same server. */
async function startProxies(scope: Scope): Promise<Contestant[]> {
  const script = fileURLToPath(new URL('./proxy.ts', import.meta.url));
  const { process: child, line } = await startServer([
    ...pins.proxy,
    process.execPath,
    script,
    downstreamUrl,
  ]);
  scope.onEnd(() => child.kill());
  const proxies: Contestant[] = [{ name: PROXY, mcpUrl: line, pid: child.pid, samples: [] }];
  const nginx = await findBareNginx();
  if (nginx === undefined) return proxies;
  const { url, pid } = await startBareNginx(scope, nginx.path, pins.proxy, new URL(downstreamUrl), folder);
  return [...proxies, { name: NGINX, mcpUrl: url, pid, samples: [] }];
}

function row({ name, samples }: Contestant, all: readonly Contestant[]): string {
  /** Within a round, so that what drifts on the machine meets both. */
  const beside = (other: string, ratio: (sample: Sample, base: Sample) => number) => {
    const bases = all.find((each) => each.name === other)?.samples ?? [];
    const ratios = samples.flatMap((sample, round) =>
      bases.slice(round, round + 1).map((base) => ratio(sample, base)),
    );
    return ratios.length === 0 ? '' : median(ratios).toFixed(2);
  };
  const byCpu = (sample: Sample, base: Sample) => cpuOf(base) / cpuOf(sample);
  const cells = [
    median(samples.map(({ rps }) => rps)).toFixed(0),
    median(samples.map(cpuOf)).toFixed(1),
    beside(FIRST_STAGE, (sample, base) => sample.rps / base.rps),
    beside(FIRST_STAGE, byCpu),
    beside(PROXY, byCpu),
    beside(NGINX, byCpu),
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
    await using scope = new Scope();
    const contestants = await startProxies(scope);
    for (const [stage, env] of Object.entries(STAGES)) {
      // Each in a cluster of its own: another node would store its events meanwhile, on the same core.
      const backing = await open();
      scope.onEnd(() => backing.stop());
      const gateway = await startGateway({ env: { ...backing.env, ...env }, prefix: pins.proxy });
      scope.onEnd(() => gateway.stop());
      contestants.push({ name: stage, mcpUrl: gateway.mcpUrl, pid: gateway.process.pid, samples: [] });
      await add(gateway);
    }
    for (const contestant of contestants) await loaded(contestant, WARM_UP_SECONDS);
    for (let round = 0; round < Number(values.rounds); round++) {
      // In turn from either end, so that none is always the first.
      const inOrder = round % 2 === 0 ? contestants : contestants.toReversed();
      for (const each of inOrder) each.samples.push(await loaded(each, Number(values.seconds)));
    }
    console.log(`
${where === 'at their primary' ? 'One node, embedded database' : 'Redis and PostgreSQL'}:

|  | calls/s | CPU a call, µs | calls/s beside all off | by CPU | beside the bare proxy, by CPU | beside nginx, by CPU | p99, ms | others, cores | errors |
|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|`);
    for (const contestant of contestants) console.log(row(contestant, contestants));
  }
} finally {
  downstream.process.kill();
  await rm(folder, { recursive: true, force: true });
}
