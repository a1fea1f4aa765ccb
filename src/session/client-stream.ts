import { eventId } from './event-id.ts';
import type { EventLog } from './event-log.ts';

export interface ClientStreamOptions {
  /** Sequence up to which a node that is gone has written, or 0. */
  readonly after: number;
  /** Where the server's stream stood then; see {@link EventPlace}. */
  readonly position?: string | undefined;
  /** Whether its client takes events that have an id and no data. */
  readonly primes: boolean;
}

/** One connection of a client that a stream can be written to, as the edge gives it. */
export interface StreamWriter {
  /** Sends one JSON-RPC message, under an event id where it can be asked for again. False: the client reads slowly. */
  write(data: string, eventId: string | undefined): boolean;
  /** One message in pieces: its event id, its bytes, its end. */
  begin(eventId: string): void;
  part(bytes: Buffer): boolean;
  finish(): void;
  end(): void;
}

/**
 * A stream towards a client that outlives its connections. What is sent is logged first and written second, so a client
 * that comes back with the id of the last event it saw gets the rest, each event once (2025-11-25, transports:
 * Resumability and Redelivery). With several connections at a time the newest is written to: a message goes out once.
 */
export class ClientStream {
  readonly id: string;
  /** Set by whoever sends: called when a slow client can take more, or is gone. */
  drained: (() => void) | undefined;
  readonly #log: EventLog;
  readonly #primes: boolean;
  readonly #writers: StreamWriter[] = [];
  /** Sequence of the last event that some connection was given. */
  #written: number;
  /** Of the last event; see {@link EventPlace}. */
  #position: string | undefined;
  /** The connection that gets a large message now; another must not get its second half. */
  #large: StreamWriter | undefined;
  #ended = false;

  constructor(id: string, log: EventLog, { after, position, primes }: ClientStreamOptions) {
    this.id = id;
    this.#log = log;
    this.#primes = primes;
    this.#written = after;
    this.#position = position;
    if (after > 0) log.goOn(id, after);
  }

  get isOpen(): boolean {
    return this.#writers.length > 0;
  }

  /** Connections now. */
  get count(): number {
    return this.#writers.length;
  }

  /** A large message has begun on a connection and not ended. */
  get isHalfSent(): boolean {
    return this.#large !== undefined;
  }

  get isEnded(): boolean {
    return this.#ended;
  }

  /**
   * Connects. `after`: the last event that the client has seen; undefined for one that is new and gets what nobody got. A
   * client that gets nothing yet gets an id to come back with, if it takes events that have nothing else.
   */
  attach(writer: StreamWriter, after: number | undefined): void {
    const events = this.#log.after(this.id, after ?? this.#written) ?? [];
    for (const event of events) {
      writer.write(event.data, eventId(this.id, event.sequence, event.position));
      this.#written = Math.max(this.#written, event.sequence);
    }
    // One that has everything must not be made to come back for more.
    if (this.#ended) return writer.end();
    this.#writers.push(writer);
    if (events.length === 0) this.#prime(after ?? this.#written);
  }

  /** The server's stream stands here, with nothing to say: the client is to come back from here, whatever node it comes to. */
  moveTo(position: string): void {
    if (position === this.#position) return;
    this.#position = position;
    this.#prime(this.#written);
  }

  detach(writer: StreamWriter): void {
    const index = this.#writers.indexOf(writer);
    if (index !== -1) this.#writers.splice(index, 1);
    if (this.#large === writer) this.#large = undefined;
  }

  /** Sends a message. `position`: where the server's stream stands with it. False: the client reads slowly. */
  send(data: string, position?: string): boolean {
    return this.#send(data, data, position);
  }

  /** Sends the answer. `substitute` is what a client that comes back gets where the answer is too large to keep. */
  answer(data: string, substitute: string): void {
    this.#send(data, this.#log.fits(data) ? data : substitute, undefined);
  }

  /**
   * Begins a message that is too large to keep. A client that loses its connection in the middle of it gets `substitute`
   * in its place when it comes back.
   */
  begin(substitute: string): void {
    const sequence = this.#log.append(this.id, substitute);
    this.#position = undefined;
    this.#large = this.#writers.at(-1);
    if (this.#large === undefined) return;
    this.#written = sequence;
    this.#large.begin(eventId(this.id, sequence));
  }

  /** False: the client reads slowly. */
  part(bytes: Buffer): boolean {
    return this.#large?.part(bytes) ?? true;
  }

  finish(): void {
    this.#large?.finish();
    this.#large = undefined;
  }

  /** Nothing more will be sent. */
  end(): void {
    this.#ended = true;
    this.#log.end(this.id);
    this.disconnect();
    // Kept for a while for a client that comes back: its connection must not be kept with it.
    this.drained = undefined;
  }

  /** Closes the connections; the stream goes on. */
  disconnect(): void {
    for (const writer of this.#writers.splice(0)) writer.end();
  }

  #prime(sequence: number): void {
    if (this.#primes) this.#writers.at(-1)?.write('', eventId(this.id, sequence, this.#position));
  }

  #send(data: string, kept: string, position: string | undefined): boolean {
    const writer = this.#writers.at(-1);
    this.#position = position;
    const sequence = this.#log.append(this.id, kept, position);
    if (writer === undefined) return true;
    this.#written = sequence;
    return writer.write(data, eventId(this.id, sequence, position));
  }
}
