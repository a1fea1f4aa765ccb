import type {
  Beside,
  EventStamp,
  LoggedEvent,
  NewEvent,
  StreamPlace,
  Taken,
} from '../coordination/stream-log.ts';
import type { StreamWriter } from './client-stream.ts';

/**
 * The client of a standalone stream, as the node sees it that writes to it: its connections here, and what it has of the
 * log and beside it. Decides what is written, and under which id. With several connections the newest is written to.
 */
export class Recipient {
  readonly #producer: string;
  readonly #idOf: (place: StreamPlace) => string | undefined;
  readonly #writers: StreamWriter[] = [];
  /** It has the log up to here, … */
  #delivered = 0;
  /** … and of this node's own events all up to this count, … */
  #given = 0;
  /** … of which those up to this one need no word beside `delivered`. */
  #covered = 0;
  #beside: Beside | undefined;
  /** Sequence of the last event that is known of. */
  #last = 0;

  /** `idOf`: the id of an event after which a client is at that place; undefined where that cannot be said in an id. */
  constructor(producer: string, idOf: (place: StreamPlace) => string | undefined) {
    this.#producer = producer;
    this.#idOf = idOf;
  }

  /** Connections now. */
  get count(): number {
    return this.#writers.length;
  }

  get writers(): readonly StreamWriter[] {
    return [...this.#writers];
  }

  get delivered(): number {
    return this.#delivered;
  }

  get given(): number {
    return this.#given;
  }

  get covered(): number {
    return this.#covered;
  }

  /** Connects a client that is told what the log has for it. `before`: count of the last own event that is in the log. */
  connect(
    writer: StreamWriter,
    place: StreamPlace | undefined,
    taken: Pick<Taken, 'events' | 'delivered' | 'last'>,
    before: number,
    primed: boolean,
  ): void {
    this.#writers.push(writer);
    this.#given = before;
    this.#covered = before;
    this.#delivered = taken.delivered;
    const has = ({ stamp }: LoggedEvent) => place?.beside !== undefined && isWithin(stamp, place.beside);
    // Until the last event that the client has had beside the log is behind it, its ids go on saying that it has.
    const settledAt = taken.events.findLast(has)?.sequence ?? 0;
    this.#beside = settledAt > 0 ? place?.beside : undefined;
    if (primed) this.#write('');
    for (const event of taken.events) {
      this.#delivered = event.sequence;
      if (event.sequence >= settledAt) this.#beside = undefined;
      if (!has(event)) this.#write(event.data);
    }
    this.#delivered = taken.last;
    this.#last = taken.last;
  }

  /** Whether what a client at this place has not got is all known here. */
  canGoOn(place: StreamPlace | undefined): boolean {
    if (this.#last > this.#delivered) return false;
    if (place === undefined) return true;
    const { sequence, beside } = place;
    if (sequence !== this.#delivered) return false;
    // One that was given more than it names may have been elsewhere, and have told there that it has it.
    return beside === undefined ? this.#given === this.#covered : beside.producer === this.#producer;
  }

  /** Connects a client that is given what this node has for it. */
  goOn(writer: StreamWriter, place: StreamPlace | undefined, primed: boolean): void {
    this.#writers.push(writer);
    if (place !== undefined) {
      this.#beside = place.beside;
      this.#given = place.beside?.count ?? this.#covered;
    }
    if (primed) this.#write('');
  }

  /** Returns whether it was connected. */
  remove(writer: StreamWriter): boolean {
    const index = this.#writers.indexOf(writer);
    if (index !== -1) this.#writers.splice(index, 1);
    return index !== -1;
  }

  /** Whether this event of the log is the next that the client has not got, or `known` for one that it has, or `gap`. */
  place(sequence: number): 'next' | 'known' | 'gap' {
    this.#last = Math.max(this.#last, sequence);
    if (sequence <= this.#delivered) return 'known';
    return sequence === this.#delivered + 1 ? 'next' : 'gap';
  }

  /** The log has a new event after this one: where it had gone further, the store has lost that. */
  rewind(sequence: number): void {
    this.#delivered = Math.min(this.#delivered, sequence);
  }

  /** The next event of the log: written, unless the client has it. */
  pass({ sequence, data, stamp }: LoggedEvent): void {
    this.#delivered = sequence;
    this.#last = Math.max(this.#last, sequence);
    if (stamp.producer !== this.#producer) return this.#write(data);
    const isGiven = stamp.count <= this.#given;
    this.cover(stamp.count);
    if (!isGiven) this.#write(data);
  }

  /** All events that there are after the one that was delivered last. */
  catchUp(events: readonly LoggedEvent[], last: number): void {
    this.rewind(last);
    for (const event of events) if (event.sequence > this.#delivered) this.pass(event);
    this.#delivered = last;
    this.#last = last;
  }

  /** An event of this node's own was logged while the client was not connected here. */
  missed(event: LoggedEvent): void {
    if (this.place(event.sequence) === 'next' && event.stamp.count <= this.#given) this.pass(event);
  }

  /** Own events up to this count are in the log, at or before what was delivered, or will never be. */
  cover(count: number): void {
    this.#covered = Math.max(this.#covered, count);
    this.#given = Math.max(this.#given, count);
    if (this.#beside !== undefined && this.#beside.count <= count) this.#beside = undefined;
  }

  /**
   * Gives own events beside the log, as far as ids can say so; the rest has to wait. What a server has said waits, too,
   * unless it is certain that no other node hears it now.
   */
  give(events: readonly NewEvent[], isCertain: boolean): void {
    for (const { stamp, data, origin } of events) {
      if (stamp.count <= this.#given) continue;
      if (origin !== undefined && !isCertain) return;
      const origins = { ...this.#beside?.origins, ...(origin && { [origin.serverId]: origin.position }) };
      const beside = { producer: this.#producer, count: stamp.count, origins };
      const id = this.#idOf({ sequence: this.#delivered, beside });
      if (id === undefined) return;
      this.#beside = beside;
      this.#given = stamp.count;
      if (data !== undefined) this.#writers.at(-1)?.write(data, id);
    }
  }

  #write(data: string): void {
    this.#writers.at(-1)?.write(data, this.#idOf({ sequence: this.#delivered, beside: this.#beside }));
  }
}

function isWithin(stamp: EventStamp, beside: Beside): boolean {
  return stamp.producer === beside.producer && stamp.count <= beside.count;
}
