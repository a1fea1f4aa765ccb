import { setImmediate } from 'node:timers/promises';

/** Milliseconds of one turn of the event loop that long work may take, before everything else has its own. */
const PART_MS = 4;

/** How often the clock is looked at. */
const LOOK_EVERY = 16;

/**
 * Divides long work among turns of the event loop, so that calls do not wait for the lists of a large server. After each
 * small piece of it: `if (pace.isDue) await pace.rest()`.
 */
export class Pace {
  #until = performance.now() + PART_MS;
  #pieces = 0;

  /** This turn has had its part. */
  get isDue(): boolean {
    return ++this.#pieces % LOOK_EVERY === 0 && performance.now() >= this.#until;
  }

  /** Resolves in a later turn. */
  async rest(): Promise<void> {
    await setImmediate();
    this.#until = performance.now() + PART_MS;
  }
}
