import { decodeJwt, errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from 'jose';
import type { Logger } from '../../telemetry/types.ts';
import { type Identity, type TokenScheme, unauthenticated } from '../identity.ts';
import { identityOf } from './claims.ts';
import { findJwksUrl } from './discovery.ts';
import { type FetchJson, fetchJson } from './fetch-json.ts';
import type { JwtIssuer } from './issuer.ts';
import { KeySet } from './key-set.ts';

export interface JwtTokensOptions {
  readonly issuers: readonly JwtIssuer[];
  readonly logger: Logger;
  /** Fetches an issuer's documents; over HTTP unless given. */
  readonly fetchJson?: FetchJson;
}

/** Of the clocks of the issuer and of this machine, in seconds. */
const CLOCK_TOLERANCE_S = 10;

/** How long a token that was found good is believed. */
const FRESH_MS = 60_000;

/** Access tokens of issuers that are trusted (RFC 9068, 4, as far as the issuer follows it). */
export class JwtTokens implements TokenScheme {
  readonly #issuers: ReadonlyMap<string, Verifier>;

  constructor({ issuers, logger, fetchJson: fetch = fetchJson }: JwtTokensOptions) {
    this.#issuers = new Map(issuers.map((issuer) => [issuer.issuer, new Verifier(issuer, logger, fetch)]));
  }

  recognizes(token: string): boolean {
    return /^[\w-]+\.[\w-]+\.[\w-]*$/.test(token);
  }

  async identify(token: string): Promise<Identity> {
    const verifier = this.#issuers.get(issuerOf(token));
    if (verifier === undefined) throw unauthenticated('The token is of an issuer that is not accepted here');
    return await verifier.identify(token);
  }
}

/** Read before anything is checked: only to pick whose keys it is checked with, and compared once more with these. */
function issuerOf(token: string): string {
  try {
    return decodeJwt(token).iss ?? '';
  } catch {
    throw unauthenticated('The token cannot be read');
  }
}

class Verifier {
  readonly #issuer: JwtIssuer;
  readonly #keys: KeySet;
  readonly #options: JWTVerifyOptions;
  #jwksUrl: string | undefined;

  constructor(issuer: JwtIssuer, logger: Logger, fetch: FetchJson) {
    this.#issuer = issuer;
    this.#jwksUrl = issuer.jwksUrl;
    this.#keys = new KeySet({
      load: async () => {
        this.#jwksUrl ??= await findJwksUrl(issuer.issuer, fetch);
        return await fetch(this.#jwksUrl);
      },
      onFailure: (err) => logger.warn("an issuer's keys cannot be loaded", { issuer: issuer.issuer, err }),
    });
    this.#options = {
      algorithms: [...issuer.algorithms],
      issuer: issuer.issuer,
      audience: [...issuer.audiences],
      clockTolerance: CLOCK_TOLERANCE_S,
      requiredClaims: ['exp'],
      ...(issuer.tokenType === undefined ? {} : { typ: issuer.tokenType }),
    };
  }

  async identify(token: string): Promise<Identity> {
    const claims = await this.#verify(token);
    const endsAt = ((claims.exp ?? 0) + CLOCK_TOLERANCE_S) * 1000;
    const identity = identityOf(this.#issuer, claims, Math.min(endsAt, Date.now() + FRESH_MS));
    return { ...identity, tokenEndsAt: (claims.exp ?? 0) * 1000 };
  }

  async #verify(token: string): Promise<JWTPayload> {
    try {
      return (await jwtVerify(token, this.#keys.find, this.#options)).payload;
    } catch (error) {
      if (error instanceof errors.JOSEError) throw unauthenticated(reasonOf(error), error);
      throw error;
    }
  }
}

/** For the caller: which check failed, without anything that is in the token. */
function reasonOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'The token has expired';
  if (error instanceof errors.JWTClaimValidationFailed)
    return `The token's claim ${error.claim} is not accepted`;
  if (error instanceof errors.JOSEAlgNotAllowed) return "The token's algorithm is not accepted";
  if (error instanceof errors.JWKSNoMatchingKey)
    return 'The token is signed with a key that its issuer does not have';
  if (error instanceof errors.JWSSignatureVerificationFailed) return "The token's signature is wrong";
  return 'The token is not valid';
}
