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
import { reasonOf, untilStarted } from './start.ts';
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
  /** Milliseconds to wait at the start for a Redis that is not there. Default: 10 s. */
  readonly startTimeoutMs?: number;
  /** Milliseconds to wait at the start for one that says that it loads its data. Default: 60 s. */
  readonly loadingTimeoutMs?: number;
}

/**
 * Coordination through a Redis, be it one server, one behind sentinels, or a cluster. Resolves when it answers and this
 * node hears the others. What is thrown at the start names REDIS_URL and the host, and no password.
 */
export async function createRedisCoordination(options: RedisCoordinationOptions): Promise<Coordination> {
  const { nodeId, logger, keyPrefix = DEFAULT_KEY_PREFIX, streamLimits = STREAM_LOG_LIMITS } = options;
  const { commandTimeoutMs = 500, signingKeys = [], observe } = options;
  const { startTimeoutMs = 10_000, loadingTimeoutMs = 60_000 } = options;
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
    await untilStarted({ connection, bus, logger, awayMs: startTimeoutMs, loadingMs: loadingTimeoutMs });
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

function cannotUse(target: RedisTarget, error: unknown): GatewayError {
  const place = target.addresses.map(({ host, port }) => `${host}:${port}`).join(', ');
  return new GatewayError(
    Code.Unavailable,
    `The Redis at ${place} (REDIS_URL) cannot be used: ${reasonOf(error)}`,
    {
      cause: error,
    },
  );
}
