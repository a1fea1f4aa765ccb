import { setTimeout as delay } from 'node:timers/promises';
import type { EventStore } from '../db/event-record.ts';
import type { Logger } from '../telemetry/types.ts';
import { backoffMs } from './backoff.ts';
import type { EventFields, EventLog } from './event.ts';
import { HeldEvents } from './held-events.ts';
import { Pace } from './pace.ts';
import { storeSurely } from './store-surely.ts';
import { type EventForm, WaitingEvent } from './waiting-event.ts';

export interface DirectLogOptions extends EventForm {
  readonly store: Pick<EventStore, 'store'>;
  readonly logger: Logger;
  /** Events in one batch. */
  readonly batch: number;
  /** Events that may wait. */
  readonly maxHeld?: number;
  /** A batch takes time of this process, and not only of another: where calls leave none, events are dropped rather than they. */
  readonly isInProcess: boolean;
}

/** Milliseconds in which events gather. */
const GATHER_MS = 50;

/** Of the time of a busy process, where storing takes time of the process itself. */
const IN_PROCESS_SHARE = 0.02;

/** Events that wait while the store is away. One takes a few hundred bytes. */
export const MAX_HELD = 50_000;

/** Events of a node that writes to the database by itself, in batches. Those of a last moment die with a process that is killed. */
export class DirectLog implements EventLog {
  readonly wantsArguments: boolean;
  readonly #options: DirectLogOptions;
  readonly #max: number;
  readonly #held: HeldEvents<WaitingEvent>;
  readonly #pace: Pace;
  readonly #closing = new AbortController();
  #gathering: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #stored = 0;
  #isAway = false;
  #hasDropped = false;

  constructor(options: DirectLogOptions) {
    this.#options = options;
    this.wantsArguments = options.kept !== 'none';
    this.#max = options.maxHeld ?? MAX_HELD;
    this.#held = new HeldEvents(this.#max);
    this.#pace = new Pace(options.isInProcess ? IN_PROCESS_SHARE : 1);
  }

  get waiting(): number {
    return this.#held.size;
  }

  get stored(): number {
    return this.#stored;
  }

  get dropped(): number {
    return this.#held.dropped;
  }

  append(event: EventFields): void {
    if (!this.#held.add(new WaitingEvent(event, this.#options))) this.#tellOfDropped();
    this.#gather();
  }

  answered(tell: () => void): void {
    tell();
  }

  /** Writes what waits, for `patienceMs` at most. Resolves with how many are left. */
  async close(patienceMs: number): Promise<number> {
    clearTimeout(this.#gathering);
    this.#closing.abort();
    await this.#writing;
    const end = performance.now() + patienceMs;
    for (let attempt = 0; this.#held.size > 0 && performance.now() < end; ) {
      if (await this.#writeBatch()) attempt = 0;
      else await delay(Math.min(backoffMs(attempt++), Math.max(0, end - performance.now())));
    }
    if (this.#held.size > 0)
      this.#options.logger.warn('events are lost: they could not be stored', { count: this.#held.size });
    return this.#held.size;
  }

  #gather(): void {
    if (this.#writing !== undefined || this.#closing.signal.aborted) return;
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      this.#writing = this.#write().finally(() => {
        this.#writing = undefined;
        // What has come since the last look.
        if (this.#held.size > 0) this.#gather();
      });
    }, GATHER_MS).unref();
  }

  #tellOfDropped(): void {
    if (this.#hasDropped) return;
    this.#hasDropped = true;
    this.#options.logger.warn('events are dropped, the oldest first: more come than can be stored', {
      waiting: this.#held.size,
    });
  }

  async #write(): Promise<void> {
    const { signal } = this.#closing;
    for (let attempt = 0; this.#held.size > 0 && !signal.aborted; ) {
      const before = performance.now();
      if (await this.#writeBatch()) attempt = 0;
      else await rest(backoffMs(attempt++), signal);
      const restMs = this.#pace.restMs(performance.now() - before, this.#held.size / this.#max);
      if (restMs > 1) await rest(restMs, signal);
    }
    this.#hasDropped = false;
  }

  /** False: the store is away. */
  async #writeBatch(): Promise<boolean> {
    const { store, logger, batch } = this.#options;
    const events = this.#held.oldest(batch).map((event) => event.stored());
    const droppedBefore = this.#held.dropped;
    try {
      this.#stored += await storeSurely(store, events, logger);
    } catch {
      if (!this.#isAway) logger.warn('events cannot be stored now: they wait', { waiting: this.waiting });
      this.#isAway = true;
      return false;
    }
    if (this.#isAway) logger.info('events are stored again', { waiting: this.waiting });
    this.#isAway = false;
    // Some of the batch may have been the oldest of too many meanwhile.
    this.#held.remove(Math.max(0, events.length - (this.#held.dropped - droppedBefore)));
    return true;
  }
}

async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal, ref: false }).catch(() => undefined);
}
