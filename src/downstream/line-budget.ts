/** Lines that may come at once, and then a second. */
const BURST = 200;
const PER_SECOND = 20;

/**
 * How much of what a process prints goes to the log: a burst whole, and of a flood so much that an operator sees what it
 * is. Logging all of it would cost the gateway, and so everybody else, more than the process.
 */
export class LineBudget {
  #left = BURST;
  #countedAt: number;
  #heldBack = 0;

  constructor(now = Date.now()) {
    this.#countedAt = now;
  }

  /** How many lines were held back before this one, which may be logged; undefined: this one is held back. `now` in milliseconds. */
  take(now = Date.now()): number | undefined {
    this.#left = Math.min(BURST, this.#left + ((now - this.#countedAt) / 1000) * PER_SECOND);
    this.#countedAt = now;
    if (this.#left < 1) {
      this.#heldBack++;
      return undefined;
    }
    this.#left--;
    const heldBack = this.#heldBack;
    this.#heldBack = 0;
    return heldBack;
  }
}
