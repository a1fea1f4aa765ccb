import { backoffMs } from '../coordination/redis/backoff.ts';

/** Something that has failed and is done again, after ever longer pauses, until it is told that it has succeeded. */
export class Retry {
  readonly #action: () => void;
  #timer: NodeJS.Timeout | undefined;
  #attempts = 0;

  constructor(action: () => void) {
    this.#action = action;
  }

  /** Whether it has failed and not succeeded since. */
  get isOn(): boolean {
    return this.#timer !== undefined;
  }

  failed(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#action, backoffMs(this.#attempts++));
    this.#timer.unref();
  }

  succeeded(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#attempts = 0;
  }
}
