import type {
  Appended,
  LoggedEvent,
  NewEvent,
  NotTaken,
  Standing,
  StreamLog,
  StreamLogLimits,
  StreamPlace,
  Taken,
  Taker,
} from '../stream-log.ts';
import { eventTooLarge, sessionGone } from '../unavailable.ts';
import type { MemoryHub } from './hub.ts';
import type { SessionRecord } from './session-record.ts';

export class MemoryStreamLog implements StreamLog {
  readonly #hub: MemoryHub;
  readonly #limits: StreamLogLimits;

  constructor(hub: MemoryHub, limits: StreamLogLimits) {
    this.#hub = hub;
    this.#limits = limits;
  }

  async append(sessionId: string, event: NewEvent): Promise<Appended> {
    const { data, stamp, origin } = event;
    const bytes = data === undefined ? 0 : Buffer.byteLength(data);
    if (bytes > this.#limits.maxEventBytes) throw eventTooLarge(this.#limits.maxEventBytes);
    const record = this.#existing(sessionId);
    const outcome = this.#admit(record, event);
    if (outcome === 'appended') {
      if (origin !== undefined) record.origins.set(origin.serverId, origin.position);
      if (data !== undefined) {
        record.events.push({ sequence: ++record.sequence, data, stamp: { ...stamp }, bytes, at: Date.now() });
        record.bytes += bytes;
        this.#trim(record);
      }
    }
    const { sequence, holder } = record;
    return { outcome, sequence, holder, ...standing(record, stamp.producer) };
  }

  async take(sessionId: string, by: Taker, after: StreamPlace | undefined): Promise<Taken | NotTaken> {
    const record = this.#existing(sessionId);
    const { takes, isTaker } = standing(record, by.producer);
    if (takes !== by.takes) return { isTaken: false, takes, isTaker };
    const now = Date.now();
    const beside = after?.beside;
    if (beside !== undefined && beside.producer !== by.producer) {
      if ((record.counts.get(beside.producer)?.count ?? 0) < beside.count) {
        record.counts.set(beside.producer, { count: beside.count, at: now });
        if (record.taker?.producer === beside.producer)
          for (const [serverId, position] of Object.entries(beside.origins))
            record.origins.set(serverId, position);
      }
    }
    for (const [producer, { at }] of record.counts) {
      if (producer !== record.taker?.producer && at < now - this.#limits.maxAgeMs)
        record.counts.delete(producer);
    }
    const previous = record.taker?.nodeId;
    record.holder = by.nodeId;
    record.taker = { producer: by.producer, nodeId: by.nodeId };
    record.takes = Math.max(takes + 1, now);
    const delivered = Math.min(after?.sequence ?? record.delivered, record.sequence);
    return {
      isTaken: true,
      isTaker: true,
      isContinued: isTaker,
      takes: record.takes,
      events: this.#after(record, delivered),
      delivered,
      last: record.sequence,
      previous: previous === by.nodeId ? undefined : previous,
      origins: Object.fromEntries(record.origins),
    };
  }

  async read(sessionId: string, producer: string, after: number): ReturnType<StreamLog['read']> {
    const record = this.#hub.session(sessionId);
    if (record === undefined) return { takes: 0, isTaker: false, last: 0, events: [] };
    return {
      ...standing(record, producer),
      last: record.sequence,
      events: this.#after(record, after),
    };
  }

  async delivered(sessionId: string, sequence: number): Promise<void> {
    const record = this.#hub.session(sessionId);
    if (record === undefined) return;
    record.delivered = Math.max(record.delivered, Math.min(sequence, record.sequence));
  }

  async leave(sessionId: string, takes: number): Promise<void> {
    const record = this.#hub.session(sessionId);
    if (record?.takes === takes) record.holder = undefined;
  }

  #admit(record: SessionRecord, { stamp, origin }: NewEvent): Appended['outcome'] {
    const { producer, count } = stamp;
    if ((record.counts.get(producer)?.count ?? 0) >= count) return 'known';
    // Also where it is refused: an attempt that comes late must not be taken for a new one.
    record.counts.set(producer, { count, at: Date.now() });
    if (origin === undefined || record.taker === undefined) return 'appended';
    return record.taker.producer === producer ? 'appended' : 'refused';
  }

  #existing(sessionId: string): SessionRecord {
    const record = this.#hub.session(sessionId);
    if (record === undefined) throw sessionGone();
    return record;
  }

  #after(record: SessionRecord, sequence: number): LoggedEvent[] {
    const oldest = Date.now() - this.#limits.maxAgeMs;
    return record.events
      .filter((event) => event.sequence > sequence && event.at > oldest)
      .map((event) => ({ sequence: event.sequence, data: event.data, stamp: event.stamp }));
  }

  #trim(record: SessionRecord): void {
    const { maxEvents, maxBytes, maxAgeMs } = this.#limits;
    const oldest = Date.now() - maxAgeMs;
    while (record.events.length > 1) {
      const [first] = record.events;
      if (first === undefined) return;
      if (record.events.length <= maxEvents && record.bytes <= maxBytes && first.at > oldest) return;
      record.events.shift();
      record.bytes -= first.bytes;
    }
  }
}

function standing({ takes, taker }: SessionRecord, producer: string): Standing {
  return { takes, isTaker: taker?.producer === producer };
}
