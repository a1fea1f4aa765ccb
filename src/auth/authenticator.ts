import { Code, GatewayError } from '../protocol/errors.ts';
import type { Challenges } from './challenge.ts';
import { type Face, type Identity, type Presented, type TokenScheme, unauthenticated } from './identity.ts';
import type { KnownOwners } from './owners.ts';
import type { Principal } from './principal.ts';
import type { ProxyIdentities } from './proxy.ts';

/** Who makes a request. At once where the credential is known. Throws, or rejects with, Unauthenticated or Forbidden. */
export type Authenticate = (request: Presented) => Principal | Promise<Principal>;

export interface AuthenticatorOptions {
  readonly face: Face;
  /** The first that recognizes a token takes it. */
  readonly schemes: readonly TokenScheme[];
  readonly proxy: ProxyIdentities | undefined;
  readonly challenges: Challenges;
  readonly owners: KnownOwners;
  /** A credential was shown that is not accepted. */
  readonly onRefused?: (face: Face, error: GatewayError) => void;
  /** Somebody was let in by a token that can be exchanged for others until then, in milliseconds since the epoch. */
  readonly onToken?: (principal: Principal, token: string, endsAt: number) => void;
  /** Somebody was let in by other means than an API key: by a token that was not known, or by a proxy for the first time in an hour. */
  readonly onAccepted?: (face: Face, principal: Principal, by: 'token' | 'proxy') => void;
}

interface Known {
  readonly principal: Principal;
  readonly until: number;
  readonly keyId: string | undefined;
}

/** Credentials in use at a time; beyond, the one that was looked at longest ago is looked at again. */
const MAX_KNOWN = 20_000;

/** Somebody whom a proxy introduces is told of once in so many milliseconds. */
const TOLD_AGAIN_MS = 3_600_000;

const BEARER = /^bearer +([\w.~+/-]+=*)$/i;

/**
 * Establishes who makes the requests of one face. A credential that was found good is known for a while by its whole
 * header, so that the next request with it costs one look into a map. Bad ones are not remembered: there is no end of them.
 */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #known = new Map<string, Known>();
  readonly #pending = new Map<string, Promise<Principal>>();
  /** When it was last told of those that a proxy introduces, who are the same objects for as long as they are known. */
  readonly #told = new WeakMap<Identity, number>();
  /** Rises when something is forgotten: what was asked before may be outdated when it is answered. */
  #generation = 0;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  readonly authenticate: Authenticate = (request) => {
    const { proxy, challenges } = this.#options;
    if (proxy !== undefined) {
      const introduced = this.#introduced(proxy, request);
      if (introduced !== undefined) return this.#welcome(introduced);
    }
    const { authorization } = request.headers;
    if (authorization === undefined) throw challenges.missing;
    const known = this.#known.get(authorization);
    if (known !== undefined && Date.now() < known.until) return known.principal;
    const pending = this.#pending.get(authorization);
    if (pending !== undefined) return pending;
    const identifying = this.#identify(authorization).finally(() => this.#pending.delete(authorization));
    this.#pending.set(authorization, identifying);
    return identifying;
  };

  /** An API key is revoked. Without an id: any may be. */
  forget(keyId?: string): void {
    this.#generation++;
    if (keyId === undefined) this.#known.clear();
    else for (const [text, known] of this.#known) if (known.keyId === keyId) this.#known.delete(text);
  }

  #welcome(introduced: Identity): Principal | Promise<Principal> {
    const admitted = this.#admit(introduced);
    const now = Date.now();
    if (now - (this.#told.get(introduced) ?? 0) > TOLD_AGAIN_MS) {
      this.#told.set(introduced, now);
      this.#options.onAccepted?.(this.#options.face, introduced.principal, 'proxy');
    }
    return admitted;
  }

  #introduced(proxy: ProxyIdentities, request: Presented): Identity | undefined {
    try {
      return proxy.identify(request);
    } catch (thrown) {
      throw this.#challenged(thrown);
    }
  }

  async #identify(authorization: string): Promise<Principal> {
    const generation = this.#generation;
    const token = BEARER.exec(authorization)?.[1];
    if (token === undefined) throw this.#options.challenges.missing;
    const identity = await this.#read(token);
    const principal = await this.#admit(identity);
    if (identity.tokenEndsAt !== undefined) this.#options.onToken?.(principal, token, identity.tokenEndsAt);
    if (identity.keyId === undefined) this.#options.onAccepted?.(this.#options.face, principal, 'token');
    if (generation === this.#generation) this.#remember(authorization, identity);
    return principal;
  }

  async #read(token: string): Promise<Identity> {
    const { schemes } = this.#options;
    try {
      const scheme = schemes.find((candidate) => candidate.recognizes(token));
      if (scheme === undefined) throw unauthenticated('This is no token of a kind that is accepted here');
      return await scheme.identify(token);
    } catch (thrown) {
      throw this.#challenged(thrown);
    }
  }

  #challenged(thrown: unknown): GatewayError {
    const error = GatewayError.from(thrown);
    const { face, challenges, onRefused } = this.#options;
    if (error.code !== Code.Unauthenticated) return error;
    onRefused?.(face, error);
    return challenges.invalid(error);
  }

  #admit(identity: Identity): Principal | Promise<Principal> {
    const { face, challenges, owners } = this.#options;
    const { principal, barred } = identity;
    const why = barred[face];
    if (why !== undefined) throw challenges.insufficient(why);
    const adding = owners.ensure(principal);
    if (adding === undefined) return principal;
    return adding.then(
      () => principal,
      (error) => {
        // Calls do without the database. What is managed is in it.
        if (face === 'mcp') return principal;
        throw error;
      },
    );
  }

  #remember(authorization: string, { principal, until, keyId }: Identity): void {
    this.#known.delete(authorization);
    if (this.#known.size >= MAX_KNOWN) {
      const [oldest] = this.#known.keys();
      if (oldest !== undefined) this.#known.delete(oldest);
    }
    this.#known.set(authorization, { principal, until, keyId });
  }
}
