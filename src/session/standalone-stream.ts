import type { Bus } from '../coordination/bus.ts';
import type { EventOrigin, StreamLog } from '../coordination/stream-log.ts';
import type { StreamWriter } from './client-stream.ts';
import { eventId, STANDALONE } from './event-id.ts';

export interface StandaloneOptions {
  readonly sessionId: string;
  readonly log: StreamLog;
  readonly bus: Bus;
}

/** To the node that holds a client's connection: an event for it. */
export const STREAM_EVENT = 'stream.event';
/** To the node that held a client's connection: another holds it now. */
export const STREAM_MOVED = 'stream.moved';

/**
 * What is said to a client outside any request, on whichever node its GET stream is. An event is logged before anyone
 * sees it and carries the sequence it got there; the node that holds the connection writes events in that order, reads
 * the log again where one is missing, and drops what it has written already: no gap, no double.
 */
export class StandaloneStream {
  readonly #options: StandaloneOptions;
  readonly #writers: StreamWriter[] = [];
  /** Everything that touches the order of events goes through here, one after the other. */
  #turn: Promise<void> = Promise.resolve();
  #delivered = 0;
  /** Whether this node is the one to write to the client; its connections may outlast that. */
  #isHolder = false;
  #origins: Readonly<Record<string, string>> = {};

  constructor(options: StandaloneOptions) {
    this.#options = options;
  }

  /** Whether what is sent goes out on a connection of this node. */
  get isOpen(): boolean {
    return this.#isHolder && this.#writers.length > 0;
  }

  /** Where each server's own stream stood when this node became the one to write: known from the moment that it is. */
  get origins(): Readonly<Record<string, string>> {
    return this.#origins;
  }

  get count(): number {
    return this.#writers.length;
  }

  /**
   * Connects. `after`: the last event that the client has seen; undefined for one that gets what nobody got. `primed`: it
   * first gets the id to come back with, in an event without data. Resolves with where each server's own stream stood.
   * Rejects with Unavailable while the log is away.
   */
  attach(
    writer: StreamWriter,
    after: number | undefined,
    primed: boolean,
  ): Promise<Readonly<Record<string, string>>> {
    const { sessionId, log, bus } = this.#options;
    return this.#inTurn(async () => {
      const taken = await log.take(sessionId, bus.nodeId, after);
      this.#delivered = taken.delivered;
      if (primed) writer.write('', eventId(STANDALONE, taken.delivered));
      for (const event of taken.events) this.#write(writer, event.sequence, event.data);
      this.#writers.push(writer);
      this.#isHolder = true;
      this.#origins = taken.origins;
      if (taken.previous !== undefined && taken.previous !== bus.nodeId) {
        // A node that does not hear of it gets nothing more to write either: events go to the holder in the log.
        await bus.send(taken.previous, { kind: STREAM_MOVED, session: sessionId }).catch(() => {});
      }
      return taken.origins;
    });
  }

  detach(writer: StreamWriter): void {
    const index = this.#writers.indexOf(writer);
    if (index === -1) return;
    this.#writers.splice(index, 1);
    if (this.#writers.length > 0 || !this.#isHolder) return;
    const { sessionId, log, bus } = this.#options;
    this.#inTurn(async () => {
      await log.delivered(sessionId, this.#delivered);
      if (!this.isOpen) await log.leave(sessionId, bus.nodeId);
    }).catch(() => {
      // The log is away: whoever takes the stream next replays from the client's own word.
    });
  }

  /** Sends to the client wherever it is connected; kept for it where it is not. */
  send(data: string, origin?: EventOrigin): void {
    const { sessionId, log, bus } = this.#options;
    this.#inTurn(async () => {
      let appended: Awaited<ReturnType<StreamLog['append']>>;
      try {
        appended = await log.append(sessionId, data, origin);
      } catch {
        // The log is away. A client that is connected here need not suffer for it; it just can't come back to this event.
        this.#writers.at(-1)?.write(data, undefined);
        return;
      }
      const { sequence, holder } = appended;
      if (holder === bus.nodeId) await this.#deliver(sequence, data);
      else if (holder !== undefined)
        await bus.send(holder, { kind: STREAM_EVENT, session: sessionId, sequence, data });
    }).catch(() => {
      // It is in the log: the holder finds it there with the next event, or after the gap.
    });
  }

  /** An event that another node has logged for the connection that this one holds. */
  receive(sequence: number, data: string): void {
    this.#inTurn(() => this.#deliver(sequence, data)).catch(() => {});
  }

  /** Messages from other nodes may have been missed: what is in the log is what counts. */
  catchUp(): void {
    if (this.isOpen) this.#inTurn(() => this.#readMissing()).catch(() => {});
  }

  /** Another node has a newer connection. The ones here stay: a client may want several, and closing one makes it come back. */
  surrender(): void {
    this.#isHolder = false;
  }

  /** Closes the connections; the stream goes on, on whichever node the client comes back to. */
  disconnect(): void {
    for (const writer of [...this.#writers]) {
      writer.end();
      this.detach(writer);
    }
  }

  async #deliver(sequence: number, data: string): Promise<void> {
    const writer = this.#writers.at(-1);
    if (writer === undefined || !this.isOpen || sequence <= this.#delivered) return;
    if (sequence > this.#delivered + 1) return this.#readMissing();
    this.#write(writer, sequence, data);
  }

  async #readMissing(): Promise<void> {
    const events = await this.#options.log.read(this.#options.sessionId, this.#delivered);
    const writer = this.#writers.at(-1);
    if (writer === undefined) return;
    for (const event of events) this.#write(writer, event.sequence, event.data);
  }

  #write(writer: StreamWriter, sequence: number, data: string): void {
    writer.write(data, eventId(STANDALONE, sequence));
    this.#delivered = sequence;
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(action);
    this.#turn = done.then(
      () => {},
      () => {},
    );
    return done;
  }
}
