import { LOCAL_PRINCIPAL, type Owner } from './auth/principal.ts';
import type { Config } from './config.ts';
import type { Coordination } from './coordination/coordination.ts';
import type { Database } from './db/database.ts';
import type { EventStore } from './db/event-record.ts';
import { DirectLog } from './events/direct-log.ts';
import { type EventDetail, type EventFields, type EventLog, NO_EVENTS } from './events/event.ts';
import { EventWriter } from './events/event-writer.ts';
import { NodeWatch } from './events/node-watch.ts';
import { StreamedLog } from './events/streamed-log.ts';
import type { Gauges, Logger } from './telemetry/types.ts';

/** How a node keeps what happens. */
export interface EventRecording {
  readonly log: EventLog;
  /** Undefined: it does not. */
  readonly store: EventStore | undefined;
  readonly gauges: Pick<Gauges, 'eventsWaiting' | 'events'> & Partial<Pick<Gauges, 'eventBacklog'>>;
  /** Drops what is too old, and makes room for what comes. */
  maintain(): Promise<void>;
  /** Writes what waits, or leaves it where others find it. */
  close(): Promise<void>;
}

const DAY_MS = 24 * 3_600_000;

/** Room is made for so long ahead: longer than a database may be away. */
const AHEAD_MS = 8 * DAY_MS;

/** For what waits when the gateway stops. */
const PATIENCE_MS = 3000;

/** Events in one transaction. The embedded database keeps this process from everything else meanwhile. */
const BATCH = { embedded: 100, postgresql: 500 };

export interface RecordingParts {
  readonly coordination: Coordination;
  readonly database: Database;
  readonly logger: Logger;
}

export function recordEvents(config: Config, parts: RecordingParts): EventRecording {
  const { events: isOn, eventRetentionDays } = config;
  if (!isOn) return OFF;
  const { database, logger } = parts;
  const ways = parts.coordination.events === undefined ? directly(config, parts) : streamed(config, parts);
  const watch = new NodeWatch({
    nodeId: config.nodeId,
    members: parts.coordination.members,
    leases: parts.coordination.leases,
    onGone: (gone) => ways.log.append(nodeEvent('gone', { gone })),
  });
  return {
    ...ways,
    store: database.events,
    close() {
      watch.close();
      return ways.close();
    },
    async maintain() {
      const now = Date.now();
      const dropped = await database.events.maintain(now - eventRetentionDays * DAY_MS, now + AHEAD_MS);
      if (dropped > 0) logger.info('events that are too old are dropped', { weeks: dropped });
    },
  };
}

type Ways = Pick<EventRecording, 'log' | 'gauges' | 'close'>;

function directly({ nodeId, auditArguments }: Config, { database, logger }: RecordingParts): Ways {
  const log = new DirectLog({
    nodeId,
    logger,
    store: database.events,
    kept: auditArguments,
    batch: BATCH[database.kind],
    isInProcess: database.kind === 'embedded',
  });
  return {
    log,
    gauges: {
      eventsWaiting: () => log.waiting,
      events: () => [
        ['stored', log.stored],
        ['dropped', log.dropped],
      ],
    },
    close: async () => void (await log.close(PATIENCE_MS)),
  };
}

function streamed(
  { nodeId, auditArguments }: Config,
  { coordination, database, logger }: RecordingParts,
): Ways {
  const { events: stream, leases } = coordination;
  if (stream === undefined) throw new TypeError('There is no stream of events');
  const log = new StreamedLog({ nodeId, stream, logger, kept: auditArguments });
  const writer = new EventWriter({ nodeId, stream, store: database.events, leases, logger });
  return {
    log,
    gauges: {
      eventsWaiting: () => log.waiting,
      events: () => [
        ['stored', writer.stored],
        ['dropped', log.dropped],
      ],
      eventBacklog: () => writer.backlog,
    },
    async close() {
      await log.close(PATIENCE_MS);
      await writer.close();
    },
  };
}

/** A server's health has changed: its owner's. */
export function serverEvent(
  { tenantId, userId }: Owner,
  server: string,
  action: 'up' | 'down' | 'breaker_opened' | 'breaker_closed',
  reason: string | undefined,
): EventFields {
  const about = reason === undefined ? {} : { detail: { reason } };
  const outcome = reason === undefined ? 'ok' : 'error';
  return { type: 'server', action, tenantId, userId, server, outcome, ...about };
}

/** Something about this node, for the operator's tenant. */
export function nodeEvent(
  action: 'joined' | 'draining' | 'left' | 'gone',
  detail?: EventDetail,
): EventFields {
  const { tenantId } = LOCAL_PRINCIPAL;
  return { type: 'node', action, tenantId, outcome: 'ok', ...(detail === undefined ? {} : { detail }) };
}

const OFF: EventRecording = {
  log: NO_EVENTS,
  store: undefined,
  gauges: { eventsWaiting: () => 0, events: () => [] },
  maintain: async () => undefined,
  close: async () => undefined,
};
