import { LOGIN_TTL_MS, type LoginRepository, type OAuthClient } from '../db/oauth-record.ts';
import type { ServerRecord } from '../db/server-record.ts';
import { documentedClient, type GatewayClient, redirectUriOf, registerClient } from './client-identity.ts';
import type { AuthorizationServer } from './discovery.ts';
import { lenderOf } from './grant-digest.ts';
import type { GuardedFetch } from './guarded-fetch.ts';

interface LoginClientOptions {
  readonly logins: LoginRepository;
  readonly gateway: () => GatewayClient;
  readonly fetch: GuardedFetch;
}

/** Who the gateway is at an authorization server. `isFixed`: there is nothing to register anew. */
interface LoginClient {
  readonly client: OAuthClient;
  readonly isFixed: boolean;
}

/** The client with which a log-in is begun: one that was given, else the gateway's document, else one that is registered. */
export async function loginClient(
  record: ServerRecord,
  server: AuthorizationServer,
  { logins, gateway: gatewayOf, fetch }: LoginClientOptions,
): Promise<LoginClient> {
  const gateway = gatewayOf();
  const { owner, id } = record;
  const known = await logins.client(lenderOf(record), id, server.issuer);
  if (known?.isConfigured)
    return { client: { ...known, redirectUri: redirectUriOf(gateway) }, isFixed: true };
  const documented = documentedClient(server, gateway);
  if (documented !== undefined) return { client: documented, isFixed: true };
  const isUsable =
    known?.redirectUri === redirectUriOf(gateway) &&
    (known.expiresAt ?? Infinity) > Date.now() + LOGIN_TTL_MS;
  // Where somebody has set out with it and not come back, the authorization server may not know it any more.
  if (known !== undefined && isUsable && !(await logins.isPending(owner, id)))
    return { client: known, isFixed: false };
  const client = await registerClient(server, gateway, fetch);
  await logins.saveClient(lenderOf(record), id, client);
  return { client, isFixed: false };
}
