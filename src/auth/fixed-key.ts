import type { KeyObject } from 'node:crypto';
import { hashOf, matches } from './api-key.ts';
import { type Identity, type TokenScheme, unauthenticated } from './identity.ts';
import { LOCAL_PRINCIPAL } from './principal.ts';

/** The key of the operator's own, which needs no database: the first keys are made with it. */
export class FixedKey implements TokenScheme {
  readonly #hash: string;
  readonly #identity: Identity;

  constructor(key: KeyObject) {
    this.#hash = hashOf(key);
    this.#identity = { principal: LOCAL_PRINCIPAL, until: Number.POSITIVE_INFINITY, barred: {} };
  }

  /** Its form is the operator's choice, so that only the whole tells. */
  recognizes(token: string): boolean {
    return matches(token, this.#hash);
  }

  async identify(token: string): Promise<Identity> {
    if (!this.recognizes(token)) throw unauthenticated('Unknown API key');
    return this.#identity;
  }
}
