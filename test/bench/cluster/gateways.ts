import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { type Gateway, startGateway } from '../../support/gateway.ts';
import { startPostgres } from '../../support/postgres.ts';
import { RawClient } from '../../support/raw-client.ts';
import { startOwnRedis } from '../../support/redis.ts';
import { until } from '../../support/wait.ts';
import { freePort, startServer, type Tools } from '../tools.ts';

/** Command line of the server behind them, on a port. */
export type Downstream = Tools['downstream'];

/** A real cluster with a cheap server behind it, and no balancer in front: only gateways are measured. */
export interface RunningGateways {
  readonly gateways: readonly Gateway[];
  readonly redis: Redis;
  /** Process of the server behind them. */
  readonly downstreamPid: number;
  stop(): Promise<void>;
}

/** Starts so many gateways with one PostgreSQL and one Redis. Each knows the server's tool `echo`. */
export async function startGateways(count: number, downstream: Downstream): Promise<RunningGateways> {
  const stops: (() => unknown)[] = [];
  const stop = async () => {
    for (const each of stops.splice(0).reverse()) await each();
  };
  try {
    const postgres = await startPostgres();
    stops.push(() => postgres.stop());
    const server = await startOwnRedis();
    stops.push(() => server.stop());
    const redis = new Redis(server.url);
    stops.push(() => redis.disconnect());
    const port = await freePort();
    const behind = await startServer(downstream(port));
    stops.push(() => behind.process.kill());
    const env = {
      DATABASE_URL: postgres.url,
      REDIS_URL: server.url,
      DRAGON_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
      DRAGON_BUILTIN_TOOLS: 'off',
    };
    const gateways: Gateway[] = [];
    for (let place = 1; place <= count; place++) {
      const gateway = await startGateway({ env: { ...env, DRAGON_NODE_ID: `node-${place}` } });
      stops.push(() => gateway.stop());
      gateways.push(gateway);
    }
    const url = /http:\S+/.exec(behind.line)?.[0] ?? `http://127.0.0.1:${port}/mcp`;
    await gateways[0]!.addServer({ name: 'bench', url, toolPrefix: '' });
    await Promise.all(gateways.map(hasTool));
    return { gateways, redis, downstreamPid: behind.process.pid!, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Waits until a node has heard of the server. */
async function hasTool({ mcpUrl }: Gateway): Promise<void> {
  const client = new RawClient(mcpUrl);
  try {
    await client.initialize();
    await until(async () => (await client.request('tools/list')).text.includes('"echo"'), {
      what: 'all nodes to know the server',
      timeoutMs: 60_000,
    });
    await client.delete();
  } finally {
    client.close();
  }
}
