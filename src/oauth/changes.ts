import type { Bus } from '../coordination/bus.ts';

const CHANGED = 'oauth.changed';

/** Servers whose changes are counted; the count of others begins anew. */
const MAX_COUNTED = 20_000;

/** News that a log-in is another now, for this node and all others. */
export class Changes {
  readonly #bus: Bus;
  readonly #listeners = new Set<(serverId: string | undefined) => void>();
  readonly #unsubscribe: readonly (() => void)[];
  readonly #counts = new Map<string, number>();
  /** Of all servers: what may have been missed. */
  #gaps = 0;
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(bus: Bus) {
    this.#bus = bus;
    this.#unsubscribe = [
      bus.on(CHANGED, ({ serverId }) => this.#hear(String(serverId))),
      bus.onGap(() => {
        this.#gaps++;
        this.#call(undefined);
      }),
    ];
  }

  /** Called with the server's id; without one where any may have changed. */
  on(listener: (serverId: string | undefined) => void): void {
    this.#listeners.add(listener);
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    for (const id of [...this.#waiting.keys()]) this.#wake(id);
  }

  tell(serverId: string): void {
    this.#hear(serverId);
    this.#bus.broadcast({ kind: CHANGED, serverId }).catch(() => {
      // The bus is away. When it is back, every node forgets what it has and reads again.
    });
  }

  /** Rises with every change: what was read before one may be outdated. */
  count(serverId: string): number {
    return (this.#counts.get(serverId) ?? 0) + this.#gaps;
  }

  /** Resolves with the next change, or after so many milliseconds. */
  next(serverId: string, atMostMs: number): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(serverId) ?? new Set();
      const done = () => {
        clearTimeout(timer);
        waiting.delete(done);
        if (waiting.size === 0 && this.#waiting.get(serverId) === waiting) this.#waiting.delete(serverId);
        resolve();
      };
      const timer = setTimeout(done, atMostMs);
      this.#waiting.set(serverId, waiting.add(done));
    });
  }

  #hear(serverId: string): void {
    if (this.#counts.size >= MAX_COUNTED && !this.#counts.has(serverId)) {
      // Whatever is being read now counts as outdated.
      this.#gaps += Math.max(...this.#counts.values()) + 1;
      this.#counts.clear();
    }
    this.#counts.set(serverId, (this.#counts.get(serverId) ?? 0) + 1);
    this.#call(serverId);
    this.#wake(serverId);
  }

  #call(serverId: string | undefined): void {
    for (const listener of this.#listeners) listener(serverId);
  }

  #wake(serverId: string): void {
    for (const done of [...(this.#waiting.get(serverId) ?? [])]) done();
  }
}
