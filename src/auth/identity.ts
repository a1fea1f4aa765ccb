import type { IncomingHttpHeaders } from 'node:http';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Principal } from './principal.ts';

/** What a request says of who makes it. */
export interface Presented {
  /** Names in lower case. */
  readonly headers: Readonly<IncomingHttpHeaders>;
  /** Where its connection comes from; undefined where that cannot be known any more. */
  readonly remoteAddress: string | undefined;
}

/** What a caller comes to: the MCP port, or the management API. */
export type Face = 'mcp' | 'management';

/** Why an identity may not use a face. */
export interface Barred {
  /** For the caller. */
  readonly message: string;
  /** Scopes that a token needs for it, for a client that can ask for them. Empty: there is nothing to ask for. */
  readonly scopes: readonly string[];
}

/** What a credential proves. */
export interface Identity {
  readonly principal: Principal;
  /** Milliseconds since the epoch from which on the credential has to be looked at anew. */
  readonly until: number;
  /** The faces that it does not open. */
  readonly barred: Readonly<Partial<Record<Face, Barred>>>;
  /** Milliseconds since the epoch at which the token ends, for one that an authorization server may exchange for others. */
  readonly tokenEndsAt?: number;
  /** The API key that it is, for when that is revoked. */
  readonly keyId?: string;
}

/** Reads one kind of bearer token. */
export interface TokenScheme {
  /** Whether a token is meant for it, as far as its form tells. */
  recognizes(token: string): boolean;
  /**
   * Rejects with Unauthenticated for a token that proves nothing, with Forbidden for one that proves who has no business
   * here, and with Unavailable where it cannot be known now.
   */
  identify(token: string): Promise<Identity>;
}

/** Longer ones are nobody's name, and would cost memory in every cache. */
const MAX_LENGTH = 256;

/**
 * Whether a text can name a tenant or a user. It is compared and stored whole: nothing in it has a meaning, so that no two
 * can become one. Control characters are refused since PostgreSQL cannot store some of them and logs would show others.
 */
export function isIdentifier(text: unknown): text is string {
  return (
    typeof text === 'string' &&
    text !== '' &&
    text.length <= MAX_LENGTH &&
    text.isWellFormed() &&
    !/\p{Cc}/u.test(text) &&
    text.trim() === text
  );
}

export function unauthenticated(message: string, cause?: unknown): GatewayError {
  return new GatewayError(Code.Unauthenticated, message, cause === undefined ? {} : { cause });
}
