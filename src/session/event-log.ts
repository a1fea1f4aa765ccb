/** One message that went out, or was to go out, on a stream. */
export interface LoggedEvent {
  /** Rises by one with each event of its stream, from 1. */
  readonly sequence: number;
  readonly data: string;
  /** Goes out in the event's id; see {@link EventPlace}. */
  readonly position?: string;
}

interface StreamLog {
  readonly id: string;
  events: LoggedEvent[];
  last: number;
  /** Milliseconds since the epoch; undefined while more may come. */
  endedAt: number | undefined;
}

export interface EventLogLimits {
  /** Characters kept for one session, over all its streams. */
  readonly maxSize: number;
  /** Milliseconds for which an ended stream can still be asked for. */
  readonly keepMs: number;
}

/**
 * What the streams of one session have carried, for a client that lost its connection and asks for the rest. Bounded:
 * the oldest events go first, and a client that comes too late for them gets what is left.
 */
export class EventLog {
  readonly #limits: EventLogLimits;
  readonly #streams = new Map<string, StreamLog>();
  /** Whose event came when: one entry for each event that is kept, the oldest first. */
  #order: StreamLog[] = [];
  #size = 0;

  constructor(limits: EventLogLimits) {
    this.#limits = limits;
  }

  /** Whether data can be kept at all. */
  fits(data: string): boolean {
    return data.length <= this.#limits.maxSize;
  }

  /** Begins a stream that another node has written up to this sequence. */
  goOn(streamId: string, last: number): void {
    this.#streams.set(streamId, { id: streamId, events: [], last, endedAt: undefined });
  }

  /** Returns the event's sequence. What does not fit is not kept. */
  append(streamId: string, data: string, position?: string): number {
    const stream = this.#streams.get(streamId) ?? { id: streamId, events: [], last: 0, endedAt: undefined };
    this.#streams.set(streamId, stream);
    const sequence = ++stream.last;
    if (!this.fits(data)) return sequence;
    const event = position === undefined ? { sequence, data } : { sequence, data, position };
    stream.events.push(event);
    this.#order.push(stream);
    this.#size += sizeOf(event);
    this.#shrink();
    return sequence;
  }

  /** Events of a stream after the given one; undefined for a stream that is not known (any more). */
  after(streamId: string, sequence: number): readonly LoggedEvent[] | undefined {
    return this.#streams.get(streamId)?.events.filter((event) => event.sequence > sequence);
  }

  end(streamId: string): void {
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) stream.endedAt = Date.now();
  }

  /** Forgets streams that ended long enough ago. */
  sweep(now: number): void {
    for (const [id, stream] of this.#streams) {
      if (stream.endedAt === undefined || now - stream.endedAt <= this.#limits.keepMs) continue;
      for (const event of stream.events) this.#size -= sizeOf(event);
      stream.events = [];
      this.#streams.delete(id);
    }
    this.#order = this.#order.filter((stream) => this.#streams.get(stream.id) === stream);
  }

  /** The oldest event of all goes first, whichever stream it is of: a call that takes long must not lose its newest. */
  #shrink(): void {
    while (this.#size > this.#limits.maxSize) {
      const stream = this.#order.shift();
      const event = stream?.events.shift();
      if (stream === undefined || event === undefined) return;
      this.#size -= sizeOf(event);
      if (stream.events.length === 0 && stream.endedAt !== undefined) this.#streams.delete(stream.id);
    }
  }
}

function sizeOf({ data, position = '' }: LoggedEvent): number {
  return data.length + position.length;
}
