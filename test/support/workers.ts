import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { clientAt } from './cluster.ts';
import { type Gateway, startGateway } from './gateway.ts';
import { startPostgres } from './postgres.ts';
import type { RawClient } from './raw-client.ts';
import { startRedis } from './redis.ts';
import { until } from './wait.ts';

/** A machine that other tests keep busy takes its time. */
const SLOW_MS = 60_000;

/** What workers share, and what has to be stopped afterwards. */
export interface Backing {
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Where workers have what they share, by name. */
export const BACKINGS: Readonly<Record<string, () => Promise<Backing>>> = {
  'at their primary': async () => ({ env: {}, stop: async () => {} }),
  'in Redis and PostgreSQL': async () => {
    const [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
    return {
      env: {
        REDIS_URL: redis.url,
        DRAGON_REDIS_PREFIX: redis.keyPrefix,
        DATABASE_URL: postgres.url,
        DRAGON_DRAIN_DELAY_MS: '0',
        DRAGON_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
      },
      stop: async () => void (await Promise.all([redis.stop(), postgres.stop()])),
    };
  },
};

/** A gateway of two workers, stopped with the test unless it has ended by then. */
export async function startWorkers(
  t: TestContext,
  env: Readonly<Record<string, string>> = {},
): Promise<Gateway> {
  const gateway = await startGateway({ env: { DRAGON_WORKERS: '2', ...env } });
  t.after(async () => {
    if (gateway.isRunning) await gateway.stop('SIGINT');
  });
  return gateway;
}

/** The processes of the workers that have been started, in order. */
export function workerPids(gateway: Gateway): readonly number[] {
  return gateway.logged('a worker serves').map(({ pid }) => Number(pid));
}

/** Waits until so many have been started in all, and serve. */
export async function untilStarted(gateway: Gateway, count: number): Promise<void> {
  await until(() => workerPids(gateway).length >= count, { what: `worker ${count}`, timeoutMs: SLOW_MS });
}

/** The node that a client's connection leads to. */
export async function nodeOf(client: RawClient): Promise<string> {
  const { text, message } = await client.callTool('system_info');
  const nodeId = message?.result?.structuredContent?.nodeId;
  if (typeof nodeId !== 'string') throw new Error(`No node in ${text}`);
  return nodeId;
}

/** The session of a client on connections to two workers. */
export async function atBoth(
  t: TestContext,
  gateway: Gateway,
  client: RawClient,
): Promise<[RawClient, RawClient]> {
  const found = new Map<string, RawClient>();
  return until(
    async () => {
      const other = clientAt(gateway.mcpUrl, client);
      t.after(() => other.close());
      const node = await nodeOf(other);
      if (!found.has(node)) found.set(node, other);
      const [one, two] = found.values();
      return one !== undefined && two !== undefined && ([one, two] as [RawClient, RawClient]);
    },
    { what: 'connections to two workers', timeoutMs: SLOW_MS },
  );
}
