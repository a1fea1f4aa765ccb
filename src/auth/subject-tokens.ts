import { LRUCache } from 'lru-cache';
import { type Owner, ownerKey } from './principal.ts';

/** The access token that somebody has shown to this gateway, as it came. A secret: never logged, stored or sent to a server. */
export interface SubjectToken {
  readonly token: string;
  /** Milliseconds since 1970: its `exp`. */
  readonly endsAt: number;
}

/** Beyond, the one not used for longest is forgotten until it is shown anew. */
const MAX_TOKENS = 20_000;

/** A token in use is looked at anew each minute, and kept anew with that; a timer could not be set for just any time. */
const MAX_KEPT_MS = 24 * 60 * 60 * 1000;

/** The last token of each who has called this node with one, in memory until its end, to be exchanged for those of servers. */
export class SubjectTokens {
  readonly #tokens = new LRUCache<string, SubjectToken>({
    max: MAX_TOKENS,
    ttlAutopurge: true,
    ttl: MAX_KEPT_MS,
  });
  readonly #listeners = new Set<(owner: Owner) => void>();

  of(owner: Owner): SubjectToken | undefined {
    const known = this.#tokens.get(ownerKey(owner));
    return known !== undefined && Date.now() < known.endsAt ? known : undefined;
  }

  keep(owner: Owner, token: string, endsAt: number): void {
    const key = ownerKey(owner);
    const known = this.of(owner);
    const left = endsAt - Date.now();
    // The same object for the same token.
    if (left <= 0 || (known?.token === token && left <= MAX_KEPT_MS)) return;
    this.#tokens.set(key, { token, endsAt }, { ttl: Math.min(left, MAX_KEPT_MS) });
    if (known === undefined) for (const listener of this.#listeners) listener(owner);
  }

  /** Called when somebody has one of whom there was none, or none any more. */
  onArrival(listener: (owner: Owner) => void): void {
    this.#listeners.add(listener);
  }

  close(): void {
    this.#tokens.clear();
  }
}
