import type { EventFilter, EventStore, Verification } from '../../src/db/event-record.ts';
import type { StoredEvent } from '../../src/events/event.ts';

/** Events in memory, as the database has them. */
export class MemoryEvents implements EventStore {
  readonly events: StoredEvent[] = [];
  verification: Verification = { checked: 0, ordinal: 0, hash: '' };

  store: EventStore['store'] = async (events) => {
    const fresh = events.filter(({ id }) => !this.events.some((event) => event.id === id));
    this.events.push(...structuredClone(fresh));
    return fresh.length;
  };

  page: EventStore['page'] = async (filter, pageSize, pageToken) => {
    const found = this.#matching(filter).toSorted((a, b) => b.time - a.time || (a.id < b.id ? 1 : -1));
    const start = pageToken === undefined ? 0 : Number(pageToken);
    const end = start + pageSize;
    const items = found.slice(start, end);
    return { items, ...(end < found.length ? { nextPageToken: String(end) } : {}) };
  };

  last: EventStore['last'] = async () => this.events.length;

  after: EventStore['after'] = async (filter, ordinal, limit) => {
    const later = new Set(this.events.slice(ordinal));
    return {
      items: this.#matching(filter)
        .filter((event) => later.has(event))
        .slice(0, limit),
      ordinal: this.events.length,
    };
  };

  verify: EventStore['verify'] = async () => this.verification;

  maintain: EventStore['maintain'] = async () => 0;

  #matching({ since = 0, until = Number.POSITIVE_INFINITY, ...filter }: EventFilter): StoredEvent[] {
    const wanted = Object.entries(filter) as [keyof StoredEvent, unknown][];
    return this.events.filter(
      (event) =>
        event.time >= since && event.time < until && wanted.every(([key, value]) => event[key] === value),
    );
  }
}
