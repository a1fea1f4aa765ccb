import type { Cluster, Redis } from 'ioredis';
import { openConnection } from './connection.ts';
import { parseRedisUrl } from './url.ts';

/** What one server of Redis says of itself. */
export interface RedisReport {
  /** `host:port`. */
  readonly place: string;
  readonly version: string;
  readonly role: string;
  readonly evictionPolicy: string;
  /** Whether commands are written to a file as they come. */
  readonly appendOnly: boolean;
  /** Whether copies of the data are written from time to time; undefined where Redis does not tell. */
  readonly snapshots: boolean | undefined;
  readonly isCluster: boolean;
  /** Milliseconds by which the clock of this process is ahead of its. */
  readonly clockAheadMs: number;
}

/**
 * Asks the servers that keep the data: the one, the master behind sentinels, or all masters of a cluster. Changes nothing.
 * Rejects with the last thing that went wrong where there is no answer in time, and with InvalidArgument for a bad address.
 */
export async function inspectRedis(url: string, timeoutMs = 5000): Promise<readonly RedisReport[]> {
  const connection = openConnection(parseRedisUrl(url), 'dragon:doctor');
  const { client } = connection;
  let last: unknown = new Error('no answer');
  const note = (error: unknown) => {
    last = error;
  };
  client.on('error', note).on('node error', note);
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(last), timeoutMs);
  try {
    await Promise.race([connection.ready(note), late.promise]);
    const servers = isCluster(client) ? client.nodes('master') : [client];
    return await Promise.race([Promise.all(servers.map(ask)), late.promise]);
  } finally {
    clearTimeout(timer);
    await connection.close();
  }
}

function isCluster(client: Redis | Cluster): client is Cluster {
  return client.isCluster;
}

async function ask(redis: Redis): Promise<RedisReport> {
  const asked = Date.now();
  const [seconds, micros] = await redis.time();
  const now = (asked + Date.now()) / 2;
  const info = new Map(
    (await redis.info())
      .split('\r\n')
      .map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  );
  // Where Redis is hired, it is often not for its users to ask.
  const save: unknown = await redis.call('CONFIG', 'GET', 'save').catch(() => undefined);
  return {
    place: `${redis.options.host}:${redis.options.port}`,
    version: info.get('redis_version') ?? '',
    role: info.get('role') ?? '',
    evictionPolicy: info.get('maxmemory_policy') ?? '',
    appendOnly: info.get('aof_enabled') === '1',
    snapshots: Array.isArray(save) ? String(save[1] ?? '') !== '' : undefined,
    isCluster: info.get('cluster_enabled') === '1',
    clockAheadMs: Math.round(now - (Number(seconds) * 1000 + Number(micros) / 1000)),
  };
}
