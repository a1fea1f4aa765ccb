import type { LoginChallenge, OAuthTokens } from '../db/oauth-record.ts';
import type { ClientGrant, HttpTarget } from '../db/server-record.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { askChallenge } from './ask-challenge.ts';
import { bare, type Discovered, discover, withoutMetadata } from './discovery.ts';
import { clientOf, notGiven } from './grant-client.ts';
import { digestOf } from './grant-digest.ts';
import type { GuardedFetch } from './guarded-fetch.ts';

/** A server for which the gateway gets tokens by itself. */
interface OwnTokensRequest {
  readonly serverName: string;
  readonly target: HttpTarget;
  readonly grant: ClientGrant;
  /** What this grant has brought last. */
  readonly before: OAuthTokens | undefined;
}

/**
 * Gets a token as a client of the server's authorization server. Rejects with LoginRequired where that refuses or may not be
 * asked, and with DownstreamUnavailable where it can't be reached; both name the server.
 */
export async function obtainTokens(request: OwnTokensRequest, fetch: GuardedFetch): Promise<OAuthTokens> {
  const { serverName, target, grant, before } = request;
  const { clientCredentials } = await import('./wire.ts');
  try {
    const challenge = await askChallenge(target, fetch);
    const found = await discoverFor(target.url, challenge, fetch);
    const { issuer, token_endpoint: tokenEndpoint, revocation_endpoint: revocationEndpoint } = found.server;
    checkIssuer(issuer, grant.issuer, before?.server.issuer);
    const { resource } = found;
    const server = {
      issuer,
      tokenEndpoint,
      ...(revocationEndpoint === undefined ? {} : { revocationEndpoint }),
    };
    const client = clientOf(grant, issuer);
    const wanted =
      grant.scopes.length > 0 ? grant.scopes : (challenge?.scopes ?? found.scopesSupported ?? []);
    const granted = await clientCredentials(server, client, { resource, scopes: wanted }, fetch);
    const rejected = before?.rejectedAt === undefined ? {} : { rejectedAt: before.rejectedAt };
    const digest = digestOf(grant) ?? '';
    return { url: target.url, grant: digest, resource, server, client, ...granted, ...rejected };
  } catch (thrown) {
    throw notGiven(serverName, grant, thrown);
  }
}

async function discoverFor(
  url: string,
  challenge: LoginChallenge | undefined,
  fetch: GuardedFetch,
): Promise<Discovered> {
  const found = await discover(url, challenge, fetch);
  if (found !== undefined) return found;
  if (challenge !== undefined) return withoutMetadata(url);
  throw new GatewayError(Code.FailedPrecondition, 'it names no authorization server');
}

/** Else a server could have the client's secret sent to wherever it likes. */
function checkIssuer(issuer: string, given: string | undefined, before: string | undefined): void {
  const expected = given ?? before;
  if (expected === undefined || bare(expected) === bare(issuer)) return;
  const named = `it names the authorization server ${issuer.slice(0, 200)}, and the client is for ${expected.slice(0, 200)}`;
  const way = given === undefined ? ': log out of the server to have it used there' : '';
  throw new GatewayError(Code.FailedPrecondition, named + way);
}
