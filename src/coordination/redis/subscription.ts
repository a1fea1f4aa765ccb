import { setTimeout as delay } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { backoffMs } from './backoff.ts';

/** A subscriber with nothing to hear would not notice that its connection is dead; this asks. */
const PING_INTERVAL_MS = 2000;

export interface SubscriptionOptions {
  readonly channels: readonly [string, ...string[]];
  /** Sharded pub/sub of a Redis Cluster: the channels are in one slot. */
  readonly sharded: boolean;
  /** A new connection that is not open yet, does not reconnect, and ends itself when Redis does not answer. */
  readonly dial: () => Promise<Redis>;
  /** Runs what has to come first, on a connection that is open. */
  readonly prepare?: (connection: Redis) => Promise<void>;
  readonly onMessage: (channel: string, text: string) => void;
  /** Messages are heard from now on; `again`: and what was published since they last were is lost. */
  readonly onUp: (again: boolean) => void;
  readonly onDown: (error: unknown) => void;
}

/** Channels that are listened to for as long as this is open, on one connection at a time. */
export class Subscription {
  readonly #options: SubscriptionOptions;
  readonly #closing = new AbortController();
  readonly #first = Promise.withResolvers<void>();
  #connection: Redis | undefined;
  #running: Promise<void> = Promise.resolve();
  #isUp = false;
  #wasUp = false;

  constructor(options: SubscriptionOptions) {
    this.#options = options;
  }

  /** Whether messages are heard now. */
  get isUp(): boolean {
    return this.#isUp;
  }

  /** Starts; resolves once messages are heard. Does not reject: the caller says how long it waits. */
  start(): Promise<void> {
    this.#running = this.#run();
    return this.#first.promise;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#connection?.disconnect();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    let attempt = 0;
    while (!signal.aborted) {
      const error = await this.#listen();
      if (signal.aborted) return;
      if (this.#isUp) attempt = 0;
      this.#isUp = false;
      this.#options.onDown(error);
      await delay(backoffMs(attempt++), undefined, { signal }).catch(() => undefined);
    }
  }

  /** One connection, from its opening to its end. Resolves with why it ended. */
  async #listen(): Promise<unknown> {
    const { channels, sharded, dial, prepare, onMessage } = this.#options;
    const { signal } = this.#closing;
    let redis: Redis | undefined;
    let ping: NodeJS.Timeout | undefined;
    let reason: unknown = new Error('Connection lost');
    try {
      redis = await dial();
      const connection = redis;
      const ended = new Promise<void>((resolve) => {
        connection.once('end', () => resolve());
      });
      connection.on('error', (error) => {
        reason = error;
      });
      // The channel's slot has gone to another server.
      connection.on('moved', () => connection.disconnect());
      connection.on(sharded ? 'smessage' : 'message', onMessage);
      this.#connection = connection;
      if (signal.aborted) return reason;
      await connection.connect();
      await prepare?.(connection);
      if (sharded) await connection.ssubscribe(...channels);
      else await connection.subscribe(...channels);
      this.#heard();
      ping = setInterval(() => void connection.ping().catch(() => undefined), PING_INTERVAL_MS);
      await ended;
    } catch (error) {
      reason = error;
    } finally {
      clearInterval(ping);
      redis?.disconnect();
    }
    return reason;
  }

  #heard(): void {
    const again = this.#wasUp;
    this.#isUp = true;
    this.#wasUp = true;
    this.#options.onUp(again);
    this.#first.resolve();
  }
}
