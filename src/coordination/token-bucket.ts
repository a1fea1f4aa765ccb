/** So many calls, refilled evenly over so many milliseconds. */
export interface Rate {
  readonly calls: number;
  readonly periodMs: number;
}

/** Sums of parts of a token come out a little short of a whole one. */
const NEARLY = 1e-6;

/** Holds `calls` tokens and is full to begin with. Times are milliseconds of one clock, whichever; one that goes back stands still. */
export class TokenBucket {
  readonly #rate: Rate;
  #tokens: number;
  #at: number;

  constructor(rate: Rate, now: number) {
    this.#rate = rate;
    this.#tokens = rate.calls;
    this.#at = now;
  }

  /** Takes as many whole tokens of those that are wanted as there are. */
  take(want: number, now: number): number {
    this.#refill(now);
    const count = Math.max(0, Math.min(want, Math.floor(this.#tokens + NEARLY)));
    this.#tokens = Math.max(0, this.#tokens - count);
    return count;
  }

  giveBack(count: number, now: number): void {
    this.#refill(now);
    this.#tokens = Math.min(this.#rate.calls, this.#tokens + count);
  }

  /** Milliseconds until there is a whole token; 0: there is one. */
  waitMs(now: number): number {
    this.#refill(now);
    return this.#tokens + NEARLY >= 1 ? 0 : (1 - this.#tokens) * this.#msPerToken;
  }

  /** Milliseconds until it is full. */
  fullMs(now: number): number {
    this.#refill(now);
    return (this.#rate.calls - this.#tokens) * this.#msPerToken;
  }

  get #msPerToken(): number {
    return this.#rate.periodMs / this.#rate.calls;
  }

  #refill(now: number): void {
    if (now <= this.#at) return;
    this.#tokens = Math.min(this.#rate.calls, this.#tokens + (now - this.#at) / this.#msPerToken);
    this.#at = now;
  }
}
