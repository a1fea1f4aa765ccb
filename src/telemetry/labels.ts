/** Values come from outside, and each makes new series: so they are the known ones, or as many as `max`. */
export type LabelBound = { readonly known: readonly string[] } | { readonly max: number };

/** What there is of each value of a label, made once: of `other` where the value is unknown or one too many. */
export class Labels<T> {
  /** Of the values that have nothing of their own. */
  readonly other: T;
  readonly #made = new Map<string, T>();
  readonly #make: (value: string) => T;
  readonly #room: number;

  constructor(bound: LabelBound, make: (value: string) => T) {
    this.#make = make;
    this.#room = 'max' in bound ? bound.max : 0;
    this.other = make('other');
    if ('known' in bound) for (const value of bound.known) this.#made.set(value, make(value));
  }

  of(value: string): T {
    const found = this.#made.get(value);
    if (found !== undefined) return found;
    if (this.#made.size >= this.#room) return this.other;
    const made = this.#make(value);
    this.#made.set(value, made);
    return made;
  }
}
