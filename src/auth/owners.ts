import { LRUCache } from 'lru-cache';
import { type Owner, ownerKey } from './principal.ts';

/** Beyond it, who was not seen for longest is looked up again. */
const MAX_KNOWN = 100_000;

/** Sees to it that who has been let in is in the database: things can be theirs from the first moment. */
export class KnownOwners {
  readonly #add: (owner: Owner) => Promise<void>;
  readonly #known = new LRUCache<string, true>({ max: MAX_KNOWN });
  readonly #adding = new Map<string, Promise<void>>();

  constructor(add: (owner: Owner) => Promise<void>) {
    this.#add = add;
  }

  /** Once for each owner. Rejects with Unavailable while the database is away, and tries again the next time. */
  ensure(owner: Owner): void | Promise<void> {
    const key = ownerKey(owner);
    if (this.#known.get(key) === true) return;
    const before = this.#adding.get(key);
    if (before !== undefined) return before;
    const adding = this.#add(owner)
      .then(() => void this.#known.set(key, true))
      .finally(() => this.#adding.delete(key));
    this.#adding.set(key, adding);
    return adding;
  }
}
