import type { StoredEvent } from './event.ts';

/** Events that wait for a store, the oldest first; beyond a bound the oldest go, and are counted. */
export class HeldEvents {
  readonly #max: number;
  #events: StoredEvent[] = [];
  /** Of the oldest; what is before it is taken. */
  #start = 0;
  #dropped = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#events.length - this.#start;
  }

  /** How many were too many so far. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Returns how many had to go. */
  add(events: readonly StoredEvent[]): number {
    for (const event of events) this.#events.push(event);
    const over = Math.max(0, this.size - this.#max);
    if (over > 0) {
      this.remove(over);
      this.#dropped += over;
    }
    return over;
  }

  /** The oldest, up to so many; they stay. */
  oldest(count: number): readonly StoredEvent[] {
    return this.#events.slice(this.#start, this.#start + count);
  }

  /** Forgets so many of the oldest. */
  remove(count: number): void {
    this.#start += count;
    if (this.#start < this.#events.length / 2) return;
    this.#events = this.#events.slice(this.#start);
    this.#start = 0;
  }
}
