import type { Allowances } from '../coordination/allowances.ts';
import type { Logger } from '../telemetry/types.ts';

/** While the store is away it is asked so often whether it is back, in milliseconds. */
const PROBE_MS = 1000;

export interface SharedStoreOptions {
  readonly nodeId: string;
  readonly allowances: Allowances;
  /** Has the other nodes give back what they have to spare of a bucket. */
  readonly want: (id: string) => void;
  readonly logger: Logger;
  readonly now: () => number;
}

/** What a node shares limits through, and whether it answers. */
export class SharedStore {
  readonly nodeId: string;
  readonly want: (id: string) => void;
  readonly #allowances: Allowances;
  readonly #logger: Logger;
  readonly #now: () => number;
  #probeAt = 0;
  #isAway = false;

  constructor({ nodeId, allowances, want, logger, now }: SharedStoreOptions) {
    this.nodeId = nodeId;
    this.want = want;
    this.#allowances = allowances;
    this.#logger = logger;
    this.#now = now;
  }

  /** Each node counts for itself meanwhile. */
  get isAway(): boolean {
    return this.#isAway;
  }

  /** Looks whether it is back, where it is time to. */
  probe(now: number): void {
    if (!this.#isAway || now < this.#probeAt) return;
    this.#probeAt = Number.POSITIVE_INFINITY;
    void this.ask((store) => store.take('probe', { calls: 1, periodMs: 1000 }, 0, 0));
  }

  /** Undefined: it is away. */
  async ask<T>(what: (allowances: Allowances) => Promise<T>): Promise<T | undefined> {
    try {
      const answer = await what(this.#allowances);
      if (this.#isAway) this.#logger.info('limits are shared again');
      this.#isAway = false;
      return answer;
    } catch (error) {
      if (!this.#isAway) {
        this.#logger.warn('limits cannot be shared: each node counts for itself until the store is back', {
          err: error,
        });
      }
      this.#isAway = true;
      this.#probeAt = this.#now() + PROBE_MS;
      return undefined;
    }
  }
}
