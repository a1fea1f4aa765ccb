import type { Lease } from '../coordination/leases.ts';
import type { WatchContext } from './watch-context.ts';
import { MIN_INTERVAL_MS } from './watcher.ts';

/** The node that watches a server, where it is another one. */
export class OtherWatcher {
  readonly #id: string;
  readonly #context: WatchContext;
  #lease: Lease | undefined;
  #moved = new AbortController();
  #soon: NodeJS.Timeout | undefined;
  #toldAt = 0;

  constructor(id: string, context: WatchContext) {
    this.#id = id;
    this.#context = context;
  }

  /** Undefined: none is known. */
  set lease(lease: Lease | undefined) {
    const before = this.#lease;
    this.#lease = lease;
    if (before === undefined || before.token === lease?.token) return;
    this.#moved.abort();
    this.#moved = new AbortController();
  }

  /** None is known, or the one that is has not been heard of for a while. */
  get isGone(): boolean {
    return this.#lease === undefined || !this.#context.isAlive(this.#lease.owner);
  }

  /** Has it ask the server. Resolves with the version of what it wrote; undefined where there is none that did. */
  async askRefresh(): Promise<number | undefined> {
    if (this.#lease === undefined) return undefined;
    return this.#context.askRefresh(this.#id, this.#lease.owner, this.#moved.signal);
  }

  /** Calls `tell` soon: a flood of news is one piece of news each so often. */
  soon(tell: () => void): void {
    if (this.#soon !== undefined || this.#moved.signal.aborted) return;
    const delay = Math.max(0, this.#toldAt + MIN_INTERVAL_MS - Date.now());
    this.#soon = setTimeout(() => {
      this.#soon = undefined;
      this.#toldAt = Date.now();
      tell();
    }, delay);
  }

  /** Tells it that a list is another. Resolves with whether it was there. Rejects while the bus is away. */
  async tellChanged(): Promise<boolean> {
    if (this.#lease === undefined) return false;
    return this.#context.tellChanged(this.#id, this.#lease.owner);
  }

  close(): void {
    clearTimeout(this.#soon);
    this.#moved.abort();
  }
}
