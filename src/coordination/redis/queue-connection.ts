import { Redis } from 'ioredis';
import { backoffMs } from './backoff.ts';
import { keepFromEnding, placeOf } from './connection.ts';
import { watchMaster } from './sentinels.ts';
import { commonSettings } from './settings.ts';
import { slotConnector } from './slot-connector.ts';
import { parseRedisUrl } from './url.ts';

/**
 * Milliseconds without an answer after which a connection is given up. Whoever waits for work is told after ten seconds
 * at the latest that there is none.
 */
const SILENCE_MS = 15_000;

/** What a server says that is not, or no longer, the one to ask: a new connection goes to the one that is. */
const ELSEWHERE = /^(READONLY|MOVED|UNBLOCKED|MASTERDOWN)\b/;

export interface QueueConnection {
  readonly client: Redis;
  /** Whether commands are answered, as far as is known. */
  readonly isUp: boolean;
  close(): Promise<void>;
}

/**
 * A connection for who has time: commands wait until Redis is there, are sent again where the connection broke, and may
 * take long to be answered. It reconnects for ever, and nobody has to listen to its errors. Under Redis Cluster it goes to
 * the server that has `key`, and with it all keys that have the same hash tag. Forms of `url`: docs/redis.md.
 */
export function openQueueConnection(url: string, name: string, key: string): QueueConnection {
  const target = parseRedisUrl(url);
  const common = commonSettings(target, name);
  const client = new Redis({
    ...common,
    ...(target.kind === 'cluster' ? { Connector: slotConnector(target, common, key) } : placeOf(target)),
    db: target.db,
    socketTimeout: SILENCE_MS,
    maxRetriesPerRequest: null,
    autoResendUnfulfilledCommands: true,
    retryStrategy: backoffMs,
    reconnectOnError: (error) => ELSEWHERE.test(error.message),
  });
  client.on('error', () => undefined);
  const letEnd = keepFromEnding(client);
  const sentinels =
    target.kind === 'sentinel' ? watchMaster(target, common, () => client.disconnect(true)) : undefined;
  return {
    client,
    get isUp() {
      return client.status === 'ready';
    },
    async close() {
      letEnd();
      client.disconnect();
      await sentinels?.close();
    },
  };
}
