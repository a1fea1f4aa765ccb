/** For what anybody can make happen as often as they like: so many at once, then one in a while, and a count of the others. */
export class Sparingly {
  readonly #burst: number;
  readonly #everyMs: number;
  #left: number;
  #filledAt = performance.now();
  #skipped = 0;

  constructor(burst: number, everyMs: number) {
    this.#burst = burst;
    this.#everyMs = everyMs;
    this.#left = burst;
  }

  /** How many were skipped since the last that was told; undefined where this one is. */
  tell(): number | undefined {
    const now = performance.now();
    const earned = Math.floor((now - this.#filledAt) / this.#everyMs);
    if (earned > 0) {
      this.#left = Math.min(this.#burst, this.#left + earned);
      this.#filledAt += earned * this.#everyMs;
    }
    if (this.#left === 0) {
      this.#skipped++;
      return undefined;
    }
    this.#left--;
    const skipped = this.#skipped;
    this.#skipped = 0;
    return skipped;
  }
}
