import { setTimeout as delay } from 'node:timers/promises';
import { type EventStream, MAX_STREAMED, type StreamedEvents } from '../coordination/event-stream.ts';
import type { Leases } from '../coordination/leases.ts';
import type { EventStore } from '../db/event-record.ts';
import type { Logger } from '../telemetry/types.ts';
import { backoffMs } from './backoff.ts';
import type { StoredEvent } from './event.ts';
import { Pace } from './pace.ts';
import { unpack } from './packed.ts';
import { storeSurely } from './store-surely.ts';

export interface EventWriterOptions {
  readonly nodeId: string;
  readonly stream: EventStream;
  readonly store: Pick<EventStore, 'store'>;
  readonly leases: Leases;
  readonly logger: Logger;
  /** Milliseconds; for tests. */
  readonly leaseMs?: number;
  readonly idleMs?: number;
}

const LEASE = 'events';
const LEASE_MS = 5000;

/** Milliseconds between two looks at the stream where there was nothing. */
const IDLE_MS = 150;

/** Entries read at a time, each of which holds the events of one turn of a node. */
const ENTRIES = 100;

/** Events in one transaction. */
const BATCH = 500;

/**
 * Takes events out of the stream and stores them: on one node at a time, the one that has the lease. What it has read and
 * not said to be stored when it dies is read again by the next, and stored once.
 */
export class EventWriter {
  readonly #options: EventWriterOptions;
  readonly #closing = new AbortController();
  readonly #pace = new Pace(1);
  readonly #running: Promise<void>;
  #stored = 0;
  #leaseUntil = 0;
  #backlog: number | undefined;
  #isAway = false;

  constructor(options: EventWriterOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** Events that this node has stored. */
  get stored(): number {
    return this.#stored;
  }

  /** Entries that were in the stream when this node looked last; undefined where another stores them. */
  get backlog(): number | undefined {
    return this.#backlog;
  }

  /** Ends after the batch that is at it. What is left is for the other nodes, or for the next start. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    if (this.#leaseUntil === 0) return;
    const { leases, nodeId, leaseMs = LEASE_MS } = this.#options;
    await leases
      .acquire(LEASE, nodeId, leaseMs)
      .then((lease) => (lease.owner === nodeId ? leases.release(LEASE, lease) : undefined))
      .catch(() => {
        // It runs out by itself.
      });
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    const { leaseMs = LEASE_MS, idleMs = IDLE_MS } = this.#options;
    for (let attempt = 0; !signal.aborted; ) {
      try {
        const isOwner = await this.#hasLease();
        const before = performance.now();
        const isBusy = isOwner && (await this.#step());
        if (!isBusy) this.#backlog = isOwner ? 0 : undefined;
        attempt = 0;
        if (isBusy) await this.#rest(await this.#restMs(performance.now() - before));
        else await this.#rest(isOwner ? idleMs : leaseMs * (0.3 + Math.random() * 0.2));
      } catch {
        // The stream is away, which the log tells elsewhere.
        await this.#rest(backoffMs(attempt++));
      }
    }
  }

  /** Whether there was something to store. */
  async #step(): Promise<boolean> {
    const { stream, nodeId, leaseMs = LEASE_MS } = this.#options;
    const entries = await stream.read(nodeId, ENTRIES, leaseMs);
    if (entries.length === 0) return false;
    const events = entries.flatMap((entry) => this.#parsed(entry));
    for (let start = 0; start < events.length; start += BATCH) {
      if (!(await this.#store(events.slice(start, start + BATCH)))) return true;
    }
    await stream.done(entries.map(({ id }) => id));
    return true;
  }

  async #restMs(tookMs: number): Promise<number> {
    const { stream } = this.#options;
    this.#backlog = await stream.size();
    const restMs = this.#pace.restMs(tookMs, this.#backlog / MAX_STREAMED);
    // The lease is to be renewed meanwhile.
    return Math.min(restMs, (this.#options.leaseMs ?? LEASE_MS) / 4);
  }

  /** False: it is for another node now, or for another time. */
  async #store(events: readonly StoredEvent[]): Promise<boolean> {
    const { signal } = this.#closing;
    const { store, logger } = this.#options;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        this.#stored += await storeSurely(store, events, logger);
        if (this.#isAway) logger.info('events are stored again');
        this.#isAway = false;
        return true;
      } catch {
        if (!this.#isAway) logger.warn('events cannot be stored now: they wait');
        this.#isAway = true;
      }
      await this.#rest(backoffMs(attempt));
      if (!(await this.#hasLease())) return false;
    }
    return false;
  }

  /** Renewed in time, this is asked of the store now and then only. */
  async #hasLease(): Promise<boolean> {
    const { leases, nodeId, leaseMs = LEASE_MS } = this.#options;
    if (performance.now() < this.#leaseUntil - (leaseMs * 2) / 3) return true;
    const asked = performance.now();
    const { owner } = await leases.acquire(LEASE, nodeId, leaseMs);
    this.#leaseUntil = owner === nodeId ? asked + leaseMs : 0;
    return owner === nodeId;
  }

  #parsed({ id, data }: StreamedEvents): readonly StoredEvent[] {
    try {
      return unpack(data);
    } catch (err) {
      this.#options.logger.error('an entry of the event log cannot be read, and is dropped', { id, err });
      return [];
    }
  }

  async #rest(ms: number): Promise<void> {
    if (ms < 1) return;
    await delay(ms, undefined, { signal: this.#closing.signal, ref: false }).catch(() => undefined);
  }
}
