import type { EventOrigin, LoggedEvent, StreamLog, StreamLogLimits } from '../stream-log.ts';
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

  async append(
    sessionId: string,
    data: string,
    origin?: EventOrigin,
  ): Promise<{ readonly sequence: number; readonly holder: string | undefined }> {
    const bytes = Buffer.byteLength(data);
    if (bytes > this.#limits.maxEventBytes) throw eventTooLarge(this.#limits.maxEventBytes);
    const record = this.#existing(sessionId);
    const sequence = ++record.sequence;
    record.events.push({ sequence, data, bytes, at: Date.now() });
    record.bytes += bytes;
    if (origin !== undefined) record.origins.set(origin.serverId, origin.eventId);
    this.#trim(record);
    return { sequence, holder: record.holder };
  }

  async take(sessionId: string, nodeId: string, after: number | undefined): ReturnType<StreamLog['take']> {
    const record = this.#existing(sessionId);
    const previous = record.holder === nodeId ? undefined : record.holder;
    record.holder = nodeId;
    const delivered = Math.min(after ?? record.delivered, record.sequence);
    const origins = Object.fromEntries(record.origins);
    return { events: this.#after(record, delivered), delivered, previous, origins };
  }

  async read(sessionId: string, after: number): Promise<readonly LoggedEvent[]> {
    const record = this.#hub.session(sessionId);
    return record === undefined ? [] : this.#after(record, after);
  }

  async delivered(sessionId: string, sequence: number): Promise<void> {
    const record = this.#hub.session(sessionId);
    if (record === undefined) return;
    record.delivered = Math.max(record.delivered, Math.min(sequence, record.sequence));
  }

  async leave(sessionId: string, nodeId: string): Promise<void> {
    const record = this.#hub.session(sessionId);
    if (record?.holder === nodeId) record.holder = undefined;
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
      .map((event) => ({ sequence: event.sequence, data: event.data }));
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
