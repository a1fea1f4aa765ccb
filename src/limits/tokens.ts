import { type Rate, TokenBucket } from '../coordination/token-bucket.ts';
import { ASK, type Part } from './part.ts';
import type { SharedStore } from './shared-store.ts';

/** A node takes at most this share of a bucket ahead of its calls. */
const SHARE = 1 / 16;

/** Tokens that are not used within this share of the bucket's time, or this many milliseconds, are given back. */
const KEPT_SHARE = 1 / 20;
const KEPT_MS = 1000;

/** After a refusal the store is asked again when there should be a token, and at least so often, in milliseconds. */
const ASK_AGAIN_MS = 250;

/** Use is counted in windows of so many milliseconds. */
const WINDOW_MS = 1000;

export interface TokensOptions {
  readonly id: string;
  readonly rate: Rate;
  /** Undefined: this node is alone. */
  readonly shared: SharedStore | undefined;
  readonly now: () => number;
}

/**
 * The calls that a limit lets this node make. They are tokens of a bucket that nodes share, taken in blocks: about what
 * was used in the last second, ahead of need. Alone, or while the store is away, the node has the bucket to itself.
 */
export class Tokens implements Part {
  readonly #id: string;
  readonly #rate: Rate;
  readonly #shared: SharedStore | undefined;
  readonly #now: () => number;
  readonly #keptMs: number;
  readonly #share: number;
  #own: TokenBucket | undefined;
  /** Taken from the store, until `keptUntil`. */
  #unused = 0;
  #keptUntil = 0;
  /** There is none in the store before the first; it is not asked before the second. */
  #emptyUntil = 0;
  #askAt = 0;
  #asking: Promise<void> | undefined;
  #waiting = 0;
  #used = 0;
  #usedBefore = 0;
  #windowAt = 0;

  constructor({ id, rate, shared, now }: TokensOptions) {
    this.#id = id;
    this.#rate = rate;
    this.#shared = shared;
    this.#now = now;
    this.#keptMs = Math.min(KEPT_MS, rate.periodMs * KEPT_SHARE);
    this.#share = Math.max(1, Math.floor(rate.calls * SHARE));
  }

  look(now: number): number {
    const own = this.#ownBucket(now);
    if (own !== undefined) return Math.ceil(own.waitMs(now));
    if (this.#unused > 0 && now < this.#keptUntil) return 0;
    return now < this.#askAt ? Math.max(1, this.#emptyUntil - now) : ASK;
  }

  take(now: number): void {
    if (now - this.#windowAt >= WINDOW_MS) {
      this.#usedBefore = now - this.#windowAt < 2 * WINDOW_MS ? this.#used : 0;
      this.#used = 0;
      this.#windowAt = now;
    }
    this.#used++;
    const own = this.#ownBucket(now);
    if (own !== undefined) {
      own.take(1, now);
      return;
    }
    this.#unused--;
    if (this.#unused < this.#ahead / 4 && this.#ahead > 1 && now >= this.#askAt) void this.#fill();
  }

  /** Of a call that was let in and never went. */
  putBack(now: number): void {
    const own = this.#ownBucket(now);
    if (own !== undefined) own.giveBack(1, now);
    else this.#unused++;
  }

  expect(by: 1 | -1): void {
    this.#waiting += by;
  }

  ask(): Promise<void> {
    return this.#fill();
  }

  tick(now: number): boolean {
    if (this.#unused > 0 && now >= this.#keptUntil && this.#shared?.isAway === false) void this.#giveBack();
    return this.#unused > 0 || this.#asking !== undefined;
  }

  async close(): Promise<void> {
    await this.#asking;
    if (this.#unused > 0) await this.#giveBack();
  }

  isIdle(now: number): boolean {
    if (this.#unused > 0 || this.#waiting > 0 || this.#asking !== undefined) return false;
    return this.#own === undefined || this.#own.fullMs(now) === 0;
  }

  /** How many are taken ahead of calls. */
  get #ahead(): number {
    const expected = Math.ceil((Math.max(this.#used, this.#usedBefore) * this.#keptMs) / WINDOW_MS);
    return Math.min(this.#share, expected);
  }

  #ownBucket(now: number): TokenBucket | undefined {
    if (this.#shared === undefined || this.#shared.isAway) {
      this.#own ??= new TokenBucket(this.#rate, now);
      return this.#own;
    }
    this.#own = undefined;
    return undefined;
  }

  #fill(): Promise<void> {
    this.#asking ??= this.#take().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #take(): Promise<void> {
    const sentAt = this.#now();
    const stale = sentAt >= this.#keptUntil ? this.#unused : 0;
    this.#unused -= stale;
    const want = Math.max(1, this.#waiting - this.#unused, this.#ahead);
    const taken = await this.#shared?.ask((store) => store.take(this.#id, this.#rate, want, stale));
    if (taken === undefined) return;
    this.#unused += taken.count;
    this.#keptUntil = sentAt + this.#keptMs;
    if (taken.waitMs === 0) return;
    const now = this.#now();
    this.#emptyUntil = now + taken.waitMs;
    this.#askAt = now + Math.min(taken.waitMs, ASK_AGAIN_MS);
  }

  async #giveBack(): Promise<void> {
    const count = this.#unused;
    this.#unused = 0;
    await this.#shared?.ask((store) => store.take(this.#id, this.#rate, 0, count));
  }
}
