import type { KeyObject } from 'node:crypto';
import { Code, GatewayError } from '../../protocol/errors.ts';
import type { Logger, ObserveStore } from '../../telemetry/types.ts';
import type { Coordination } from '../coordination.ts';
import { createKeys, DEFAULT_KEY_PREFIX } from '../keys.ts';
import { STREAM_LOG_LIMITS, type StreamLogLimits } from '../stream-log.ts';
import { unavailable } from '../unavailable.ts';
import { RedisAllowances } from './allowances.ts';
import { RedisBus } from './bus.ts';
import { RedisCallJournal } from './call-journal.ts';
import { RedisCatalogStore } from './catalog-store.ts';
import { Commands } from './commands.ts';
import { type Connection, openConnection } from './connection.ts';
import { RedisEventStream } from './event-stream.ts';
import { RedisLeases } from './leases.ts';
import { RedisMembers } from './members.ts';
import { RedisRecordings } from './recordings.ts';
import { loadScripts } from './scripts.ts';
import { RedisSessionStore } from './session-store.ts';
import { RedisStreamLog } from './stream-log.ts';
import { parseRedisUrl, type RedisTarget } from './url.ts';
import { Watch } from './watch.ts';

export interface RedisCoordinationOptions {
  /** See docs/redis.md for its forms. */
  readonly url: string;
  /** Another one for each node that runs. */
  readonly nodeId: string;
  readonly logger: Logger;
  /** What nodes say to each other is signed with the first, and accepted with any. None: it is not signed. */
  readonly signingKeys?: readonly KeyObject[];
  /** Gateways that share a Redis and are not one cluster differ in it. Default: `dragon:`. */
  readonly keyPrefix?: string;
  readonly streamLimits?: StreamLogLimits;
  /** Milliseconds in which Redis has to answer. Default: 500. */
  readonly commandTimeoutMs?: number;
  readonly observe?: ObserveStore;
  /** Milliseconds to wait for Redis at the start. Default: 10 s. */
  readonly startTimeoutMs?: number;
}

/**
 * Coordination through a Redis, be it one server, one behind sentinels, or a cluster. Resolves when it answers and this
 * node hears the others. What is thrown at the start names REDIS_URL and the host, and no password.
 */
export async function createRedisCoordination(options: RedisCoordinationOptions): Promise<Coordination> {
  const { nodeId, logger, keyPrefix = DEFAULT_KEY_PREFIX, streamLimits = STREAM_LOG_LIMITS } = options;
  const { commandTimeoutMs = 500, startTimeoutMs = 10_000, signingKeys = [], observe } = options;
  const target = parseRedisUrl(options.url);
  const keys = createKeys(keyPrefix);
  const scripts = loadScripts();
  const watch = new Watch(logger);
  const connection = open(target, nodeId);
  const { client } = connection;
  const commands = new Commands({ client, scripts, watch, timeoutMs: commandTimeoutMs, observe });
  const bus = new RedisBus({ nodeId, connection, commands, keys, signingKeys, watch, logger });
  const close = async () => {
    watch.close();
    commands.close();
    await bus.close();
    await connection.close();
  };
  try {
    await started(connection, bus, startTimeoutMs);
  } catch (error) {
    await close();
    throw cannotUse(target, error);
  }
  connection.client.on('close', () => commands.disconnected(keys.members));
  return {
    nodeId,
    sessions: new RedisSessionStore(commands, keys),
    streams: new RedisStreamLog(commands, keys, streamLimits),
    calls: new RedisCallJournal(commands, keys),
    bus,
    catalogs: new RedisCatalogStore(commands, keys),
    leases: new RedisLeases(commands, keys),
    members: new RedisMembers(commands, keys),
    events: new RedisEventStream(commands, { keys, signingKeys, logger }),
    allowances: new RedisAllowances(commands, keys),
    recordings: new RedisRecordings(commands, keys),
    async ping() {
      await commands.command('EXISTS', keys.members);
      if (!bus.isUp) throw unavailable();
    },
    close,
  };
}

/** Files of certificates may not be there. */
function open(target: RedisTarget, nodeId: string): Connection {
  try {
    return openConnection(target, `dragon:${nodeId}`);
  } catch (error) {
    throw cannotUse(target, error);
  }
}

/** Rejects with the last thing that went wrong when the time is over. */
function started({ client, ready }: Connection, bus: RedisBus, timeoutMs: number): Promise<void> {
  let last: unknown = new Error('no answer');
  const note = (error: unknown) => {
    last = error;
  };
  client.on('error', note).on('node error', note);
  return new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(last), timeoutMs);
    ready()
      .then(() => bus.start())
      .then(resolve, reject)
      .finally(() => {
        clearTimeout(timer);
        client.off('error', note).off('node error', note);
      });
  });
}

function cannotUse(target: RedisTarget, error: unknown): GatewayError {
  const place = target.addresses.map(({ host, port }) => `${host}:${port}`).join(', ');
  const reason = error instanceof Error ? error.message : String(error);
  return new GatewayError(Code.Unavailable, `The Redis at ${place} (REDIS_URL) cannot be used: ${reason}`, {
    cause: error,
  });
}
