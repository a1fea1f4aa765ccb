/** A place in a line, given back by emptying it. */
export interface Place<T> {
  item: T | undefined;
  /** Milliseconds of `performance.now()`. */
  readonly since: number;
}

/**
 * Those that wait, in the order of their coming, most of whom leave before their turn. A place that was left holds nothing: a
 * Set would keep what was in it reachable from tables that it has outgrown, and those live until the next large collection.
 */
export class WaitingLine<T> {
  #places: Place<T>[] = [];

  get isEmpty(): boolean {
    return this.#places.length === 0;
  }

  add(item: T, since = performance.now()): Place<T> {
    const place = { item, since };
    this.#places.push(place);
    return place;
  }

  /** Takes out those that have come up to then, and have not left. */
  takeUntil(time: number): T[] {
    const places = this.#places;
    let count = 0;
    const taken: T[] = [];
    for (const place of places) {
      if (place.since > time) break;
      count++;
      if (place.item !== undefined) taken.push(place.item);
      place.item = undefined;
    }
    // Those behind may all have left, too.
    this.#places = places.slice(count).filter(({ item }) => item !== undefined);
    return taken;
  }

  clear(): void {
    this.#places = [];
  }
}
