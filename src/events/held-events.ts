/** Events that wait for a store, the oldest first; beyond a bound the oldest go, and are counted. */
export class HeldEvents<Event> {
  readonly #max: number;
  #events: Event[] = [];
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

  /** False: the oldest had to go for it. */
  add(event: Event): boolean {
    this.#events.push(event);
    if (this.size <= this.#max) return true;
    this.remove(1);
    this.#dropped++;
    return false;
  }

  /** The oldest, up to so many; they stay. */
  oldest(count: number): readonly Event[] {
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
