import type { SubjectToken } from '../auth/subject-tokens.ts';
import type { ClientGrant, HttpTarget } from '../db/server-record.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { askChallenge } from './ask-challenge.ts';
import { bare, discoverServer, resourceOf } from './discovery.ts';
import { clientOf, notGiven } from './grant-client.ts';
import type { GuardedFetch } from './guarded-fetch.ts';
import type { Grant } from './wire.ts';

/** A server for which a caller's token is exchanged. */
interface ExchangeRequest {
  readonly serverName: string;
  readonly target: HttpTarget;
  readonly grant: ClientGrant;
  readonly subject: SubjectToken;
  /** Authorization servers that callers' tokens may be sent to. */
  readonly issuers: readonly string[];
}

/**
 * Exchanges a caller's token at the authorization server that the grant names, and at no other, whatever the server says. Rejects with
 * LoginRequired where that refuses or may not be asked, and with DownstreamUnavailable where it can't be reached; both name the server.
 */
export async function exchangeFor(request: ExchangeRequest, fetch: GuardedFetch): Promise<Grant> {
  const { serverName, target, grant, subject, issuers } = request;
  const { issuer = '', audience } = grant;
  const { exchangeToken } = await import('./wire.ts');
  try {
    if (!issuers.some((allowed) => bare(allowed) === bare(issuer))) {
      const reason = `callers' tokens may not be sent to ${issuer.slice(0, 200)}: DRAGON_TOKEN_EXCHANGE_ISSUERS says where they may`;
      throw new GatewayError(Code.FailedPrecondition, reason);
    }
    const server = await discoverServer(issuer, fetch);
    const asked = grant.scopes.length > 0 ? grant.scopes : (await askChallenge(target, fetch))?.scopes;
    const wanted = {
      subjectToken: subject.token,
      ...(audience === undefined ? { resource: resourceOf(target.url) } : { audience }),
      scopes: asked ?? [],
    };
    const endpoints = { issuer: server.issuer, tokenEndpoint: server.token_endpoint };
    return await exchangeToken(endpoints, clientOf(grant, server.issuer), wanted, fetch);
  } catch (thrown) {
    throw notGiven(serverName, grant, thrown);
  }
}
