import type { LoginChallenge, LoginRepository } from '../db/oauth-record.ts';
import type { HttpTarget, ServerRecord } from '../db/server-record.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { askChallenge } from './ask-challenge.ts';
import { type Discovered, discover, withoutMetadata } from './discovery.ts';
import type { GuardedFetch } from './guarded-fetch.ts';

/** Throws FailedPrecondition for a server that is not logged in to. */
export function loginTarget({ target }: ServerRecord): HttpTarget {
  if (target.kind !== 'http')
    throw new GatewayError(Code.FailedPrecondition, 'A server that is a process has no log-in');
  if (target.oauth !== undefined) {
    throw new GatewayError(
      Code.FailedPrecondition,
      'Nobody need log in to this server: the gateway gets its tokens by itself, as a client of the authorization server',
    );
  }
  if (hasOwnAuthorization(target)) {
    throw new GatewayError(
      Code.FailedPrecondition,
      'This server has an authorization header of its own: take it out of its headers to log in in its place',
    );
  }
  return target;
}

export function hasOwnAuthorization({ headers }: HttpTarget): boolean {
  return Object.keys(headers).some((name) => name.toLowerCase() === 'authorization');
}

/** What the server says now to whoever has not logged in; else what it has said to a call. */
export async function challengeOf(
  { owner, id }: ServerRecord,
  target: HttpTarget,
  logins: LoginRepository,
  fetch: GuardedFetch,
): Promise<LoginChallenge | undefined> {
  const challenge = await askChallenge(target, fetch);
  return challenge ?? (await logins.read(owner, id))?.challenge;
}

/** How to log in to a server. Throws FailedPrecondition where there is no log-in, or none that is safe. */
export async function discoverLogin(
  serverUrl: string,
  challenge: LoginChallenge | undefined,
  fetch: GuardedFetch,
): Promise<Discovered> {
  const found = await discover(serverUrl, challenge, fetch);
  if (found === undefined && challenge === undefined)
    throw new GatewayError(Code.FailedPrecondition, 'This server asks nobody to log in');
  const chosen = found ?? withoutMetadata(serverUrl);
  const { issuer, authorization_endpoint: endpoint } = chosen.server;
  if (endpoint === undefined)
    throw new GatewayError(
      Code.FailedPrecondition,
      `The authorization server ${issuer} names no endpoint to log in at`,
    );
  if (!chosen.server.code_challenge_methods_supported?.includes('S256')) {
    throw new GatewayError(
      Code.FailedPrecondition,
      `The authorization server ${issuer} does not say that it protects log-ins with PKCE (S256)`,
    );
  }
  return chosen;
}
