import { Code, GatewayError } from '../protocol/errors.ts';
import type { Barred } from './identity.ts';

export interface ChallengeOptions {
  /** Where a client finds who gives out tokens (RFC 9728); undefined where nobody does that a client could ask. */
  readonly metadataUrl: string | undefined;
  /** Scopes to ask for in the first place. */
  readonly scopes: readonly string[];
}

/** What a refused client is told in `WWW-Authenticate` (RFC 6750, 3; RFC 9728, 5.1). Nothing of a request gets into it. */
export class Challenges {
  /** For a request without a credential. Thrown again and again: a refusal that anybody can cause should cost little. */
  readonly missing: GatewayError;
  readonly #options: ChallengeOptions;

  constructor(options: ChallengeOptions) {
    this.#options = options;
    this.missing = new GatewayError(
      Code.Unauthenticated,
      'Authentication is required: send Authorization: Bearer with an API key or access token',
      { challenge: this.#bearer(scopeOf(options.scopes)) },
    );
  }

  /** For a credential that proves nothing. */
  invalid(error: GatewayError): GatewayError {
    const challenge = this.#bearer(
      { error: 'invalid_token', error_description: error.message },
      scopeOf(this.#options.scopes),
    );
    return new GatewayError(Code.Unauthenticated, error.message, { challenge, cause: error.cause });
  }

  /** For a credential that is good, but not for this. */
  insufficient({ message, scopes }: Barred): GatewayError {
    const challenge = this.#bearer(
      { error: 'insufficient_scope', error_description: message },
      scopeOf(scopes),
    );
    return new GatewayError(Code.Forbidden, message, { challenge });
  }

  #bearer(...parameters: readonly Readonly<Record<string, string>>[]): string {
    const { metadataUrl } = this.#options;
    const all = Object.assign(
      {},
      ...parameters,
      metadataUrl === undefined ? {} : { resource_metadata: metadataUrl },
    );
    const pairs = Object.entries(all).map(([name, value]) => `${name}="${quotable(String(value))}"`);
    return pairs.length === 0 ? 'Bearer realm="dragon"' : `Bearer ${pairs.join(', ')}`;
  }
}

function scopeOf(scopes: readonly string[]): Readonly<Record<string, string>> {
  return scopes.length === 0 ? {} : { scope: scopes.join(' ') };
}

/** Characters that RFC 6750 allows in these values: none of them ends the quotes or the line. */
function quotable(text: string): string {
  return text.replaceAll(/[^\x20\x21\x23-\x5b\x5d-\x7e]/g, "'");
}
