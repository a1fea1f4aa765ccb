import { randomBytes } from 'node:crypto';
import type { Bus } from '../coordination/bus.ts';
import {
  type Appended,
  type EventOrigin,
  type LoggedEvent,
  type NewEvent,
  STREAM_LOG_LIMITS,
  type StreamLog,
  type StreamPlace,
  type Taken,
} from '../coordination/stream-log.ts';
import { unavailable } from '../coordination/unavailable.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Logger } from '../telemetry/types.ts';
import type { StreamWriter } from './client-stream.ts';
import { Handover } from './handover.ts';
import { Outbox } from './outbox.ts';
import { Recipient } from './recipient.ts';
import { Retry } from './retry.ts';
import { placeId, placeOf } from './stream-place.ts';
import { Tenure } from './tenure.ts';

export interface StandaloneOptions {
  readonly sessionId: string;
  readonly log: StreamLog;
  readonly bus: Bus;
  readonly logger: Logger;
  /** Signs event ids. Without one, what is not logged yet is not written. */
  readonly key: string | undefined;
  /** What servers say on their own streams is not for this node to hear any more, or no longer from where it stands. */
  readonly onMoved: () => void;
}

/** To the node that holds a client's connection: an event for it; without data, that there are events up to a sequence. */
export const STREAM_EVENT = 'stream.event';

/**
 * What is said to a client outside any request, on whichever node its GET stream is. An event is logged before anyone
 * sees it and carries the sequence it got there; the node that holds the connection writes events in that order, reads
 * the log again where one is missing, and drops what it has written already: no gap, no double.
 *
 * While the log is away, events wait for it in order, and a client that is connected here gets them beside it.
 */
export class StandaloneStream {
  readonly #options: StandaloneOptions;
  readonly #producer = randomBytes(6).toString('base64url');
  readonly #outbox = new Outbox(this.#producer, STREAM_LOG_LIMITS);
  readonly #client: Recipient;
  readonly #tenure: Tenure;
  readonly #handover: Handover;
  /** On while something is to be done that the store was away for. */
  readonly #retry = new Retry(() => void this.#inTurn(() => this.#settle()));
  /** Everything that touches the order of events goes through here, one after the other. */
  #turn: Promise<void> = Promise.resolve();
  #origins: Record<string, string> = {};
  /** The log may have events that the client has not got. */
  #isBehind = false;
  /** Events wait for their turn to be logged. */
  #isQueued = false;
  /** Events that were too many to be kept until the log is back. */
  #dropped = 0;

  constructor(options: StandaloneOptions) {
    const { bus, log, sessionId, key, onMoved } = options;
    const taker = { nodeId: bus.nodeId, producer: this.#producer };
    this.#options = options;
    this.#client = new Recipient(this.#producer, (place) => placeId(key, sessionId, place));
    this.#tenure = new Tenure(log, sessionId, taker, onMoved);
    this.#handover = new Handover(bus, sessionId);
  }

  /** Whether what is sent goes out on a connection of this node. Its connections may outlast that. */
  get isOpen(): boolean {
    return this.#tenure.isHolder && this.#client.count > 0;
  }

  /** Whether servers' own streams are for this node to listen to: the client was connected here last. */
  get isListening(): boolean {
    return this.#tenure.isListening;
  }

  /** Where each server's own stream stands: known from the moment that it is this node that listens. */
  get origins(): Readonly<Record<string, string>> {
    return this.#origins;
  }

  /** Pending while the node that listened before may still do so. */
  get handover(): Promise<void> | undefined {
    return this.#handover.pending;
  }

  get count(): number {
    return this.#client.count;
  }

  /**
   * Connects. `after`: the last event that the client has seen; undefined for one that gets what nobody got. `primed`: it
   * first gets the id to come back with, in an event without data. Rejects with Unavailable while the log is away and has
   * what the client lacks, or may have.
   */
  attach(
    writer: StreamWriter,
    after: { readonly sequence: number; readonly position?: string | undefined } | undefined,
    primed: boolean,
  ): Promise<void> {
    const { key, sessionId } = this.#options;
    const place = after && placeOf(key, sessionId, after);
    return this.#inTurn(async () => {
      // What waits for the log belongs there before the log is asked for what the client lacks.
      if (!this.#outbox.isEmpty || this.#retry.isOn) await this.#settle();
      const taken = this.#retry.isOn ? undefined : await this.#tenure.take(place).catch(ifAway);
      if (taken === undefined) this.#goOn(writer, place, primed);
      else this.#connect(writer, place, taken, primed);
    });
  }

  detach(writer: StreamWriter): void {
    if (!this.#client.remove(writer) || this.#client.count > 0 || !this.#tenure.isHolder) return;
    const { sessionId, log } = this.#options;
    this.#inTurn(async () => {
      await log.delivered(sessionId, this.#client.delivered);
      if (!this.isOpen) await this.#tenure.leave();
    }).catch(() => {
      // The log is away: whoever takes the stream next replays from the client's own word.
    });
  }

  /** Sends to the client wherever it is connected; kept for it where it is not. */
  send(data: string, origin?: EventOrigin): void {
    this.#add(data, origin);
  }

  /** A server has said where its own stream stands, and nothing else. */
  note(origin: EventOrigin): void {
    this.#add(undefined, origin);
  }

  /** An event that another node has logged for the connection that this one holds; undefined: there are some up to there. */
  receive(sequence: number, data: string | undefined): void {
    this.#inTurn(async () => {
      if (!this.isOpen) return;
      const event = data === undefined ? undefined : { sequence, data, stamp: { producer: '', count: 0 } };
      await this.#deliver(sequence, event);
    }).catch(() => this.#retry.failed());
  }

  /** Messages from other nodes may have been missed: what is in the log is what counts. */
  catchUp(): void {
    if (!this.isOpen && !this.#retry.isOn) return;
    this.#isBehind = true;
    void this.#inTurn(() => this.#settle());
  }

  /** Another node has taken the stream. Connections here stay: a client may want several, and closing one makes it come back. */
  moved(takes: number): void {
    this.#tenure.moved(takes);
  }

  /** A node listens to servers no longer. */
  left(node: string): void {
    this.#handover.left(node);
  }

  /** Closes the connections; the stream goes on, on whichever node the client comes back to. */
  disconnect(): void {
    for (const writer of this.#client.writers) {
      writer.end();
      this.detach(writer);
    }
  }

  /** Resolves when all that was sent so far is in the log, or has failed to get there. */
  settled(): Promise<void> {
    return this.#turn;
  }

  /** Closes the connections, and forgets what is not in the log. */
  close(): void {
    this.disconnect();
    this.#forget();
    this.#handover.close();
  }

  #add(data: string | undefined, origin: EventOrigin | undefined): void {
    this.#outbox.add(data, origin);
    const isAway = this.#retry.isOn;
    if (isAway || this.#outbox.isOverfull) this.#giveBeside();
    this.#trim(isAway);
    if (isAway || this.#isQueued) return;
    this.#isQueued = true;
    void this.#inTurn(() => {
      this.#isQueued = false;
      return this.#retry.isOn ? undefined : this.#settle();
    });
  }

  /** The client need not have had what goes only where the log is away: else it is not long until it gets there. */
  #trim(isAway: boolean): void {
    const gone = this.#outbox.trim(isAway ? Number.POSITIVE_INFINITY : this.#client.given);
    if (!isAway) return;
    if (gone > 0 && this.#dropped === 0)
      this.#options.logger.warn('Events for clients are too many to be kept until Redis is back');
    this.#dropped += gone;
  }

  /** Does all that there is to do. Where the store is away it is done again later. */
  async #settle(): Promise<void> {
    try {
      do {
        if (this.#tenure.isUnconfirmed) await this.#confirm();
        await this.#flush();
        if (this.#isBehind) await this.#readMissing();
      } while (this.#tenure.isUnconfirmed || !this.#outbox.isEmpty);
      this.#retry.succeeded();
      if (this.#dropped > 0)
        this.#options.logger.warn('Events for a client were not kept', { events: this.#dropped });
      this.#dropped = 0;
    } catch (error) {
      if (hasCode(error, Code.SessionNotFound)) return this.#forget();
      this.#retry.failed();
      this.#giveBeside();
      this.#trim(true);
    }
  }

  /** Appends what is to be logged, in order. */
  async #flush(): Promise<void> {
    const { log, sessionId, logger } = this.#options;
    for (let event = this.#outbox.first; event !== undefined; event = this.#outbox.first) {
      const { count } = event.stamp;
      try {
        await this.#appended(event, await log.append(sessionId, event));
      } catch (error) {
        if (!hasCode(error, Code.TooLarge)) throw error;
        this.#giveBeside();
        if (this.#client.given < count) logger.warn('A message was too large to be kept for a client');
        this.#outbox.strip();
        continue;
      }
      this.#outbox.remove(count);
    }
  }

  async #appended(event: NewEvent, appended: Appended): Promise<void> {
    const { stamp, data, origin } = event;
    const { outcome, sequence, holder } = appended;
    const { bus, sessionId } = this.#options;
    this.#tenure.heed(appended);
    if (outcome === 'appended' && origin !== undefined) this.#origins[origin.serverId] = origin.position;
    if (data === undefined || outcome === 'refused') return this.#client.cover(stamp.count);
    const isNew = outcome === 'appended';
    if (isNew && this.isOpen) this.#client.rewind(sequence - 1);
    if (holder === bus.nodeId && this.isOpen) {
      return this.#deliver(sequence, isNew ? { sequence, data, stamp } : undefined);
    }
    if (isNew) this.#client.missed({ sequence, data, stamp });
    if (holder === undefined || holder === bus.nodeId) return;
    const message = { kind: STREAM_EVENT, session: sessionId, sequence };
    await bus.send(holder, isNew ? { ...message, data } : message);
  }

  /** `event`: the one with this sequence, where it is at hand. */
  async #deliver(sequence: number, event: LoggedEvent | undefined): Promise<void> {
    const place = this.#client.place(sequence);
    if (place === 'next' && event !== undefined) this.#client.pass(event);
    else if (place !== 'known') await this.#readMissing();
  }

  async #readMissing(): Promise<void> {
    this.#isBehind = true;
    const { log, sessionId } = this.#options;
    const { events, last, ...standing } = await log.read(sessionId, this.#producer, this.#client.delivered);
    this.#isBehind = false;
    this.#tenure.heed(standing);
    if (!this.isOpen) return;
    this.#client.catchUp(events, last);
    this.#outbox.remove(this.#client.covered);
  }

  /** Tells the store that the client is connected here, unless it has been connected elsewhere since. */
  async #confirm(): Promise<void> {
    if (!this.isOpen) {
      this.#tenure.isUnconfirmed = false;
      return;
    }
    const taken = await this.#tenure.retake({ sequence: this.#client.delivered });
    // Which of its connections the client means is for it to say.
    if (taken === undefined) return this.disconnect();
    this.#client.catchUp(taken.events, taken.last);
    this.#outbox.remove(this.#client.covered);
  }

  #connect(writer: StreamWriter, place: StreamPlace | undefined, taken: Taken, primed: boolean): void {
    this.#tenure.begin(taken);
    this.#isBehind = false;
    this.#origins = { ...taken.origins };
    this.#client.connect(writer, place, taken, this.#outbox.before, primed);
    if (taken.previous !== undefined) this.#handover.start(taken.previous, taken.takes);
  }

  /** The log is away: that does for a client that comes back to where it was and lacks nothing that is in the log. */
  #goOn(writer: StreamWriter, place: StreamPlace | undefined, primed: boolean): void {
    if (!this.#tenure.isListening || !this.#client.canGoOn(place)) throw unavailable();
    this.#tenure.isHolder = true;
    this.#tenure.isUnconfirmed = true;
    this.#client.goOn(writer, place, primed);
    this.#retry.failed();
    this.#giveBeside();
  }

  #giveBeside(): void {
    if (!this.isOpen) return;
    this.#client.give(this.#outbox.after(this.#client.given), !this.#tenure.isUnconfirmed);
  }

  /** The session is over: nothing is left to do. */
  #forget(): void {
    this.#outbox.clear();
    this.#tenure.isUnconfirmed = false;
    this.#isBehind = false;
    this.#retry.succeeded();
  }

  #inTurn<T>(action: () => T | Promise<T>): Promise<T> {
    const done = this.#turn.then(action);
    this.#turn = done.then(
      () => {},
      () => {},
    );
    return done;
  }
}

/** Undefined in place of an error that says that the log is away. */
function ifAway(error: unknown): undefined {
  if (!hasCode(error, Code.Unavailable)) throw error;
}

function hasCode(error: unknown, code: Code): boolean {
  return error instanceof GatewayError && error.code === code;
}
