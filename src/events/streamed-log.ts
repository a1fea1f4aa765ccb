import { setTimeout as delay } from 'node:timers/promises';
import type { EventStream } from '../coordination/event-stream.ts';
import type { Logger } from '../telemetry/types.ts';
import { beforeWrites } from '../turn-end.ts';
import { backoffMs } from './backoff.ts';
import { MAX_HELD } from './direct-log.ts';
import { type ArgumentsKept, toStored } from './entry.ts';
import type { EventFields, EventLog, StoredEvent } from './event.ts';
import { HeldEvents } from './held-events.ts';
import { pack } from './packed.ts';

export interface StreamedLogOptions {
  readonly nodeId: string;
  readonly stream: Pick<EventStream, 'append'>;
  readonly logger: Logger;
  readonly kept: ArgumentsKept;
  /** Events that may wait while the stream is away. */
  readonly maxHeld?: number;
}

/** Answers that wait for their events at a time: with more, the first would wait long. */
const MAX_ANSWERS = 64;

/** Events put in at a time where many waited. */
const BATCH = 100;

/**
 * Events of a node of a cluster. Those of one turn of the event loop are written to the store's connection together, and the
 * answers to their calls after that: what a client has an answer to is in the log, whatever becomes of this process.
 */
export class StreamedLog implements EventLog {
  readonly wantsArguments: boolean;
  readonly #options: StreamedLogOptions;
  readonly #held: HeldEvents<StoredEvent>;
  readonly #closing = new AbortController();
  readonly #turn = () => this.#flush();
  #fresh: EventFields[] = [];
  #times: number[] = [];
  #answers: (() => void)[] = [];
  #isDue = false;
  /** Written, and not known to be in. */
  #written = 0;
  #catchingUp: Promise<void> | undefined;
  #hasDropped = false;

  constructor(options: StreamedLogOptions) {
    this.#options = options;
    this.wantsArguments = options.kept !== 'none';
    this.#held = new HeldEvents(options.maxHeld ?? MAX_HELD);
  }

  get waiting(): number {
    return this.#held.size + this.#fresh.length + this.#written;
  }

  get dropped(): number {
    return this.#held.dropped;
  }

  append(event: EventFields): void {
    this.#fresh.push(event);
    this.#times.push(Date.now());
    if (this.#isDue) return;
    this.#isDue = true;
    beforeWrites(this.#turn);
  }

  answered(tell: () => void): void {
    if (!this.#isDue) return tell();
    if (this.#answers.push(tell) >= MAX_ANSWERS) this.#flush();
  }

  /** Puts in what waits, for `patienceMs` at most. Resolves with how many are left. */
  async close(patienceMs: number): Promise<number> {
    this.#flush();
    this.#closing.abort();
    const end = performance.now() + patienceMs;
    while (this.#written > 0 && performance.now() < end) await delay(5);
    await this.#catchingUp;
    for (let attempt = 0; this.#held.size > 0 && performance.now() < end; ) {
      if (await this.#putHeld()) attempt = 0;
      else await delay(Math.min(backoffMs(attempt++), Math.max(0, end - performance.now())));
    }
    if (this.#held.size > 0)
      this.#options.logger.warn('events are lost: they could not be stored', { count: this.#held.size });
    return this.#held.size;
  }

  #flush(): void {
    this.#isDue = false;
    const fresh = this.#fresh;
    const times = this.#times;
    const answers = this.#answers;
    if (fresh.length > 0) {
      this.#fresh = [];
      this.#times = [];
      this.#put(fresh, times);
    }
    if (answers.length === 0) return;
    this.#answers = [];
    for (const tell of answers) tell();
  }

  #put(fresh: readonly EventFields[], times: readonly number[]): void {
    const { nodeId, kept } = this.#options;
    const events = fresh.map((event, index): StoredEvent => toStored(event, times[index] ?? 0, nodeId, kept));
    // Behind those that wait already.
    if (this.#catchingUp !== undefined) return this.#hold(events);
    this.#written += events.length;
    this.#options.stream.append(pack(events)).then(
      () => {
        this.#written -= events.length;
      },
      () => {
        this.#written -= events.length;
        // It may be in all the same; then it is there twice, and stored once.
        this.#hold(events);
      },
    );
  }

  #hold(events: readonly StoredEvent[]): void {
    const { logger } = this.#options;
    const droppedBefore = this.#held.dropped;
    for (const event of events) this.#held.add(event);
    if (this.#held.dropped > droppedBefore && !this.#hasDropped) {
      this.#hasDropped = true;
      logger.warn('events are dropped, the oldest first: more come than can be stored', {
        waiting: this.#held.size,
      });
    }
    if (this.#catchingUp !== undefined || this.#closing.signal.aborted) return;
    logger.warn('events cannot be stored now: they wait', { waiting: this.waiting });
    this.#catchingUp = this.#catchUp().finally(() => {
      this.#catchingUp = undefined;
    });
  }

  async #catchUp(): Promise<void> {
    const { signal } = this.#closing;
    for (let attempt = 0, isAway = true; this.#held.size > 0 && !signal.aborted; ) {
      if (isAway) await delay(backoffMs(attempt++), undefined, { signal, ref: false }).catch(() => undefined);
      isAway = !(await this.#putHeld());
      if (!isAway) attempt = 0;
    }
    if (signal.aborted) return;
    this.#hasDropped = false;
    this.#options.logger.info('events are stored again', { waiting: this.waiting });
  }

  /** False: the stream is away. */
  async #putHeld(): Promise<boolean> {
    const events = this.#held.oldest(BATCH);
    const droppedBefore = this.#held.dropped;
    try {
      await this.#options.stream.append(pack(events));
    } catch {
      return false;
    }
    // Some of the batch may have been the oldest of too many meanwhile.
    this.#held.remove(Math.max(0, events.length - (this.#held.dropped - droppedBefore)));
    return true;
  }
}
