import type { LookupFunction } from 'node:net';
import { Connection, type OutgoingRequest } from './connection.ts';

/** How often idle connections are looked through, in milliseconds. */
const SWEEP_MS = 1000;

export interface PoolOptions {
  readonly host: string;
  readonly port: number;
  readonly lookup?: LookupFunction;
  readonly connectTimeoutMs: number;
  /** It has no connection any more. */
  readonly onEmpty: () => void;
}

/** Connections to one address over HTTP/1.1: as many as requests are under way, kept for those that follow. */
export class Http1Pool {
  readonly #options: PoolOptions;
  readonly #all = new Set<Connection>();
  /** Used last, last. */
  #idle: Connection[] = [];
  #sweeper: NodeJS.Timeout | undefined;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** The handler is told of one end, also where no connection can be made. */
  send(request: OutgoingRequest): void {
    this.#take().send(request);
  }

  destroy(): void {
    clearInterval(this.#sweeper);
    for (const connection of [...this.#all]) connection.destroy();
  }

  #take(): Connection {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (idle.isUsable(performance.now())) return idle;
      idle.destroy();
    }
    const connection = new Connection({
      ...this.#options,
      onIdle: (now) => this.#put(now),
      onClose: (closed) => this.#forget(closed),
    });
    this.#all.add(connection);
    return connection;
  }

  #put(connection: Connection): void {
    this.#idle.push(connection);
    if (this.#sweeper !== undefined) return;
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS);
    this.#sweeper.unref();
  }

  #forget(connection: Connection): void {
    this.#all.delete(connection);
    const index = this.#idle.indexOf(connection);
    if (index !== -1) this.#idle.splice(index, 1);
    // One may be on its way.
    queueMicrotask(() => {
      if (this.#all.size > 0) return;
      clearInterval(this.#sweeper);
      this.#sweeper = undefined;
      this.#options.onEmpty();
    });
  }

  #sweep(): void {
    const now = performance.now();
    for (const connection of this.#idle.filter((each) => !each.isUsable(now))) connection.destroy();
  }
}
