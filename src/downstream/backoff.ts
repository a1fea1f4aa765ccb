/**
 * Delays between attempts: doubling from `firstMs` to `maxMs`, each drawn at random from its upper half, so that many
 * who failed together do not come back together.
 */
export class Backoff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  #failures = 0;

  constructor(firstMs: number, maxMs: number) {
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
  }

  /** Milliseconds to wait after one more failure. */
  next(): number {
    const full = Math.min(this.#maxMs, this.#firstMs * 2 ** this.#failures);
    if (full < this.#maxMs) this.#failures++;
    return full / 2 + Math.random() * (full / 2);
  }

  reset(): void {
    this.#failures = 0;
  }
}
