import type { EventOrigin, NewEvent, StreamLogLimits } from '../coordination/stream-log.ts';

/** What a node has to say to a session's client and has not got into the log yet, in order. */
export class Outbox {
  readonly #producer: string;
  readonly #limits: Pick<StreamLogLimits, 'maxEvents' | 'maxBytes'>;
  #events: NewEvent[] = [];
  #bytes = 0;
  #count = 0;

  constructor(producer: string, limits: Pick<StreamLogLimits, 'maxEvents' | 'maxBytes'>) {
    this.#producer = producer;
    this.#limits = limits;
  }

  get first(): NewEvent | undefined {
    return this.#events[0];
  }

  get isEmpty(): boolean {
    return this.#events.length === 0;
  }

  /** More than the log would keep. */
  get isOverfull(): boolean {
    const { maxEvents, maxBytes } = this.#limits;
    return this.#events.length > 1 && (this.#events.length > maxEvents || this.#bytes > maxBytes);
  }

  /** Count of the last event before the first that is here. */
  get before(): number {
    return this.first === undefined ? this.#count : this.first.stamp.count - 1;
  }

  /** Adds an event, or, without data, the news of where a server's own stream stands. */
  add(data: string | undefined, origin: EventOrigin | undefined): void {
    const last = this.#events.at(-1);
    if (data === undefined && last?.data === undefined && last?.origin?.serverId === origin?.serverId)
      this.#events.pop();
    this.#events.push({ stamp: { producer: this.#producer, count: ++this.#count }, data, origin });
    this.#bytes += sizeOf(data);
  }

  /** Lets the oldest go, those up to a count at most, until no more is left than the log would keep. Returns how many. */
  trim(count: number): number {
    let gone = 0;
    for (let { first } = this; this.isOverfull && first !== undefined; first = this.first) {
      if (first.stamp.count > count) break;
      this.#bytes -= sizeOf(first.data);
      this.#events.shift();
      gone++;
    }
    return gone;
  }

  /** Those after a count. */
  after(count: number): readonly NewEvent[] {
    const start = this.#events.findIndex(({ stamp }) => stamp.count > count);
    return start === -1 ? [] : this.#events.slice(start);
  }

  /** The first is too large for the log: what stays of it is its origin. */
  strip(): void {
    const { first } = this;
    if (first === undefined) return;
    this.#bytes -= sizeOf(first.data);
    this.#events[0] = { ...first, data: undefined };
  }

  /** Those up to a count need no more care. */
  remove(count: number): void {
    for (let { first } = this; first !== undefined && first.stamp.count <= count; first = this.first) {
      this.#bytes -= sizeOf(first.data);
      this.#events.shift();
    }
  }

  clear(): void {
    this.#events = [];
    this.#bytes = 0;
  }
}

function sizeOf(data: string | undefined): number {
  return data === undefined ? 0 : Buffer.byteLength(data);
}
