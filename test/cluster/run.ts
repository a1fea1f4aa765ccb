/**
 * `npm run cluster [-- --nodes N]`: the cluster of docker-compose.yml as processes of this machine. DATABASE_URL and
 * REDIS_URL name a PostgreSQL and a Redis to use; without them, both are brought up as the tests do it, and go with the
 * cluster. A node that dies is started again.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Balancer } from '../support/balancer.ts';
import { startPostgres } from '../support/postgres.ts';
import { startOwnRedis } from '../support/redis.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { type Addresses, type LocalNode, startNode } from './local-node.ts';

/** How long a node that died is waited for: longer where it did not live long, so that it cannot spin. */
const AGAIN_AFTER_MS = 1000;
const LATER_AFTER_MS = 5000;
const SHORT_LIFE_MS = 10_000;

/** Within this time, two signals are one Ctrl-C: the terminal's, and npm's. */
const SAME_SIGNAL_MS = 1000;

/** Settings that are ours to give to each node, or that would make it another kind of gateway. */
const NOT_PASSED_ON = /^DRAGON_(HOST|MCP_PORT|GRPC_PORT|MANAGEMENT_PORT|NODE_ID|LOG_FORMAT)$/;

const { values } = parseArgs({ options: { nodes: { type: 'string', default: '3' } } });
const count = Number(values.nodes);
if (!Number.isInteger(count) || count < 1 || count > 20) {
  console.error(`--nodes: expected a number from 1 to 20, not ${values.nodes}.`);
  process.exit(2);
}

const running = new Set<LocalNode>();
const stops: (() => Promise<unknown>)[] = [];
const nodes = new Map<number, { readonly node: LocalNode; readonly addresses: Addresses }>();
let stopping = false;
let askedAt = 0;

process.on('SIGINT', asked).on('SIGTERM', asked).on('SIGHUP', asked);

const starting = start();
try {
  await starting;
} catch (error) {
  // A start that was interrupted fails, too.
  if (!stopping) {
    console.error(`The cluster did not start: ${reasonOf(error)}`);
    process.exitCode = 1;
    await stop();
  }
}

async function start(): Promise<void> {
  say('Starting PostgreSQL, Redis and the nodes …');
  const port = (name: string, otherwise: string) => Number(process.env[name] || otherwise);
  const balancer = await Balancer.start({ port: port('DRAGON_MCP_PORT', '8081') });
  stops.unshift(() => balancer.close());
  const management = await TcpProxy.start({
    port: port('DRAGON_GRPC_PORT', '8080'),
    targets: () =>
      [...nodes.values()]
        .filter(({ addresses }) => balancer.ready.includes(addresses.mcp))
        .map(({ addresses }) => new URL(addresses.management).host),
  });
  stops.unshift(() => management.close());
  const [database, redis] = await Promise.all([databaseUrl(), redisUrl()]);
  const env = {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !NOT_PASSED_ON.test(name))),
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    ...(database.own && { DRAGON_ENCRYPTION_KEY: randomBytes(32).toString('base64') }),
  };
  await Promise.all(Array.from({ length: count }, (_, index) => keep(index + 1, env, balancer)));
  if (!stopping) announce(balancer.url, management.port, { database: database.own, redis: redis.own });
}

async function databaseUrl(): Promise<{ url: string; own: boolean }> {
  const given = process.env['DATABASE_URL'];
  if (given) return { url: given, own: false };
  const postgres = await startPostgres();
  stops.push(() => postgres.stop());
  return { url: postgres.url, own: true };
}

async function redisUrl(): Promise<{ url: string; own: boolean }> {
  const given = process.env['REDIS_URL'];
  if (given) return { url: given, own: false };
  const redis = await startOwnRedis();
  stops.push(() => redis.stop());
  return { url: redis.url, own: true };
}

/** Runs a node, and runs it again when it dies. Resolves when it is ready for the first time. */
async function keep(place: number, env: NodeJS.ProcessEnv, balancer: Balancer, run = 1): Promise<void> {
  // Another process is another node: the first may still be listed.
  const name = run === 1 ? `node-${place}` : `node-${place}.${run}`;
  const started = performance.now();
  if (stopping) return;
  const node = startNode(name, env, (line) => say(`${name} | ${line}`));
  running.add(node);
  void node.ended.then(() => running.delete(node));
  const addresses = await node.ready;
  nodes.set(place, { node, addresses });
  balancer.add(addresses.mcp);
  void node.ended
    .then(async (how) => {
      nodes.delete(place);
      balancer.remove(addresses.mcp);
      if (stopping) return;
      say(`${name} | ended: ${how}`);
      await delay(performance.now() - started < SHORT_LIFE_MS ? LATER_AFTER_MS : AGAIN_AFTER_MS);
      await keep(place, env, balancer, run + 1);
      const again = nodes.get(place)?.node;
      if (again !== undefined) say(`${again.name} | is ready in its place, process ${again.pid}`);
    })
    .catch((error) => say(`${name} | ${reasonOf(error)}`));
}

function announce(mcp: string, managementPort: number, own: { database: boolean; redis: boolean }): void {
  const lines = [...nodes.entries()]
    .sort(([a], [b]) => a - b)
    .map(([, { node, addresses }]) => {
      return `    ${node.name}           process ${String(node.pid).padEnd(8)} ops ${addresses.ops}`;
    });
  const management = `http://127.0.0.1:${managementPort}`;
  const flags = managementPort === 8080 ? '' : ` --management-url ${management}`;
  say(`
  A cluster of ${nodes.size} nodes is ready.

    MCP endpoint     ${mcp}/mcp   (each request at another node)
    Management API   ${management}
${lines.join('\n')}
    PostgreSQL       ${own.database ? 'of its own; what it holds goes with the cluster' : 'that of DATABASE_URL'}
    Redis            ${own.redis ? 'of its own; likewise' : 'that of REDIS_URL'}

  Try, from another terminal in this folder:

    npx dragon server add everything --command "npx -y @modelcontextprotocol/server-everything"${flags}
    curl -s ${nodes.get(1)?.addresses.ops ?? 'OPS'}/cluster/members
    kill -9 ${nodes.get(2)?.node.pid ?? 'PID'}        # a node dies: sessions go on, and it is started again

  Ctrl-C stops all of it.
`);
}

function asked(): void {
  if (stopping) {
    if (Date.now() - askedAt < SAME_SIGNAL_MS) return;
    // Somebody is in a hurry. What we started ends with us.
    for (const node of running) node.stop('SIGKILL');
    process.exit(1);
  }
  askedAt = Date.now();
  say('Stopping …');
  void stop().then(() => process.exit());
}

async function stop(): Promise<void> {
  stopping = true;
  const ending = [...running];
  // As Ctrl-C does: SIGTERM would have them wait for the balancer to notice.
  for (const node of ending) node.stop('SIGINT');
  await Promise.all(ending.map(({ ended }) => ended));
  // What it brings up meanwhile has to be stopped as well.
  await starting.catch(() => {});
  for (const end of stops) await end();
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, port } = error as NodeJS.ErrnoException & { port?: number };
  if (code !== 'EADDRINUSE') return error.message;
  return `port ${port} is in use; choose others with DRAGON_MCP_PORT and DRAGON_GRPC_PORT (0: any free one).`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
