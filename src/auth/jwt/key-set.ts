import { createLocalJWKSet, errors, type JWTVerifyGetKey } from 'jose';
import { Code, GatewayError } from '../../protocol/errors.ts';

export interface KeySetOptions {
  /** Loads the issuer's keys: a JSON Web Key Set. */
  readonly load: () => Promise<unknown>;
  /** Told of each attempt that failed. */
  readonly onFailure: (error: unknown) => void;
  /** Milliseconds since any moment; the system's clock unless given. */
  readonly now?: () => number;
}

/** After so long keys are loaded again, while the known ones are used. */
const MAX_AGE_MS = 600_000;

/** A key that its issuer may have withdrawn is believed in for no longer than this while the issuer does not answer. */
const MAX_STALE_MS = 24 * 3_600_000;

/** Between two attempts to load keys: whoever invents key ids must not have the issuer asked for each. */
const COOLDOWN_MS = 30_000;
const COOLDOWN_AFTER_FAILURE_MS = 5_000;

/**
 * The keys of an issuer: loaded when first needed, again when a token names one that is not known, and now and then.
 * While the issuer does not answer, the known ones go on.
 */
export class KeySet {
  readonly #options: KeySetOptions;
  readonly #now: () => number;
  #keys: JWTVerifyGetKey | undefined;
  #loadedAt = 0;
  #attemptedAt = Number.NEGATIVE_INFINITY;
  #hasFailed = false;
  #loading: Promise<void> | undefined;

  constructor(options: KeySetOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** For jose. Rejects with Unavailable where it cannot be known whether there is such a key. */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    const keys = await this.#current();
    try {
      return await keys(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
    }
    await this.#load();
    return await (await this.#current())(header, token);
  };

  async #current(): Promise<JWTVerifyGetKey> {
    const age = this.#now() - this.#loadedAt;
    if (this.#keys === undefined || age > MAX_STALE_MS) {
      await this.#load();
    } else if (age > MAX_AGE_MS) {
      this.#load().catch(() => {
        // It has been told. The known keys go on.
      });
    }
    if (this.#keys === undefined) throw this.#unavailable();
    return this.#keys;
  }

  /** Resolves without having done anything where it has just been done. */
  async #load(): Promise<void> {
    if (this.#loading !== undefined) return await this.#loading;
    if (this.#restMs > 0) {
      if (this.#hasFailed) throw this.#unavailable();
      return;
    }
    this.#attemptedAt = this.#now();
    this.#loading = this.#attempt().finally(() => {
      this.#loading = undefined;
    });
    await this.#loading;
  }

  async #attempt(): Promise<void> {
    try {
      const loaded = await this.#options.load();
      this.#keys = createLocalJWKSet(Object(loaded));
      this.#loadedAt = this.#now();
      this.#hasFailed = false;
    } catch (error) {
      this.#hasFailed = true;
      this.#options.onFailure(error);
      throw this.#unavailable();
    }
  }

  get #restMs(): number {
    const pause = this.#hasFailed ? COOLDOWN_AFTER_FAILURE_MS : COOLDOWN_MS;
    return this.#attemptedAt + pause - this.#now();
  }

  #unavailable(): GatewayError {
    const retryAfter = Math.max(1, Math.ceil(this.#restMs / 1000));
    return new GatewayError(Code.Unavailable, "The issuer's keys cannot be had at the moment", {
      retryAfter,
    });
  }
}
