import type { EventStore } from '../db/event-record.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Logger } from '../telemetry/types.ts';
import type { StoredEvent } from './event.ts';

/**
 * Stores a batch, or what can be stored of it: one that no store would ever take must not keep back those behind it.
 * Rejects with Unavailable while the store is away. Resolves with how many were stored now.
 */
export async function storeSurely(
  store: Pick<EventStore, 'store'>,
  events: readonly StoredEvent[],
  logger: Logger,
): Promise<number> {
  try {
    return await store.store(events);
  } catch (thrown) {
    if (isAway(thrown)) throw thrown;
    if (events.length === 1) {
      const [event] = events;
      const about = { type: event?.type, id: event?.id, err: GatewayError.from(thrown) };
      logger.error('an event cannot be stored, and is dropped', about);
      return 0;
    }
  }
  const half = Math.ceil(events.length / 2);
  const first = await storeSurely(store, events.slice(0, half), logger);
  return first + (await storeSurely(store, events.slice(half), logger));
}

function isAway(thrown: unknown): boolean {
  return GatewayError.from(thrown).code === Code.Unavailable;
}
