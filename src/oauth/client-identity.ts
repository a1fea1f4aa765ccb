import type { ClientAuthMethod, OAuthClient } from '../db/oauth-record.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { AuthorizationServer } from './discovery.ts';
import { type GuardedFetch, isThisMachine } from './guarded-fetch.ts';

/** The gateway as authorization servers come to know it. */
export interface GatewayClient {
  /** Where the gateway is reached, without a slash at its end. */
  readonly publicUrl: string;
  readonly name: string;
}

/** A client's id and secret, as an authorization server has given them to somebody. */
export interface OwnClient {
  readonly clientId: string;
  readonly clientSecret?: string;
}

export const CALLBACK_PATH = '/oauth/callback';
export const CLIENT_PATH = '/oauth/client.json';

export function redirectUriOf({ publicUrl }: GatewayClient): string {
  return publicUrl + CALLBACK_PATH;
}

/**
 * The document that stands for the gateway where authorization servers look clients up (Client ID Metadata Document);
 * undefined where the gateway has no address that they could ask.
 */
export function clientDocument(gateway: GatewayClient): Readonly<Record<string, unknown>> | undefined {
  if (!gateway.publicUrl.startsWith('https://')) return undefined;
  return {
    client_id: gateway.publicUrl + CLIENT_PATH,
    ...metadataOf(gateway, 'none'),
  };
}

/** The client that the document describes, where an authorization server takes such. */
export function documentedClient(
  server: AuthorizationServer,
  gateway: GatewayClient,
): OAuthClient | undefined {
  if (server.client_id_metadata_document_supported !== true || clientDocument(gateway) === undefined)
    return undefined;
  const { issuer } = server;
  return {
    issuer,
    clientId: gateway.publicUrl + CLIENT_PATH,
    authMethod: 'none',
    redirectUri: redirectUriOf(gateway),
  };
}

/** Registers the gateway (RFC 7591). Throws FailedPrecondition where the authorization server takes no clients that way. */
export async function registerClient(
  server: AuthorizationServer,
  gateway: GatewayClient,
  fetch: GuardedFetch,
): Promise<OAuthClient> {
  const { issuer, registration_endpoint: endpoint } = server;
  if (endpoint === undefined) {
    throw new GatewayError(
      Code.FailedPrecondition,
      `The authorization server ${issuer} registers no clients by itself: register the gateway there with the address ${redirectUriOf(gateway)}, and give the server the client's id`,
    );
  }
  // Without scopes: what is asked for later may be more than now.
  const body = JSON.stringify(metadataOf(gateway, preferredMethod(server)));
  const headers = { 'content-type': 'application/json', accept: 'application/json' };
  const response = await fetch(endpoint, { method: 'POST', headers, body });
  const answer = await jsonOf(response);
  const clientId = answer?.['client_id'];
  // RFC 7591 says 201; many say 200.
  if (!response.ok || typeof clientId !== 'string' || clientId === '') {
    const said = answer?.['error_description'] ?? answer?.['error'];
    const why =
      typeof said === 'string' ? said.replace(/[^\x20-\x7e]/g, '?').slice(0, 200) : `HTTP ${response.status}`;
    throw new GatewayError(
      Code.FailedPrecondition,
      `The authorization server ${issuer} does not register the gateway: ${why}`,
    );
  }
  const secret = answer?.['client_secret'];
  const clientSecret = typeof secret === 'string' && secret !== '' ? secret : undefined;
  const until = Number(answer?.['client_secret_expires_at'] ?? 0);
  return {
    issuer,
    clientId,
    redirectUri: redirectUriOf(gateway),
    authMethod: registeredMethod(answer?.['token_endpoint_auth_method'], clientSecret, server),
    ...(clientSecret === undefined ? {} : { clientSecret }),
    ...(clientSecret !== undefined && until > 0 ? { expiresAt: until * 1000 } : {}),
  };
}

/** A client that somebody has registered. */
export function configuredClient(
  server: AuthorizationServer,
  gateway: GatewayClient,
  { clientId, clientSecret }: OwnClient,
): OAuthClient {
  return {
    issuer: server.issuer,
    clientId,
    authMethod: registeredMethod(undefined, clientSecret, server),
    redirectUri: redirectUriOf(gateway),
    isConfigured: true,
    ...(clientSecret === undefined ? {} : { clientSecret }),
  };
}

function metadataOf({ publicUrl, name }: GatewayClient, method: ClientAuthMethod) {
  return {
    client_name: name,
    client_uri: publicUrl,
    redirect_uris: [publicUrl + CALLBACK_PATH],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: method,
    application_type: isThisMachine(new URL(publicUrl).hostname) ? 'native' : 'web',
  };
}

const METHODS: readonly ClientAuthMethod[] = ['none', 'client_secret_basic', 'client_secret_post'];

/** PKCE protects the code; a secret that has to be kept would protect nothing more. */
function preferredMethod({
  token_endpoint_auth_methods_supported: supported,
}: AuthorizationServer): ClientAuthMethod {
  return METHODS.find((method) => supported?.includes(method)) ?? 'none';
}

function registeredMethod(
  said: unknown,
  secret: string | undefined,
  { token_endpoint_auth_methods_supported: supported }: AuthorizationServer,
): ClientAuthMethod {
  if (secret === undefined) return 'none';
  const named = METHODS.find((method) => method === said);
  if (named !== undefined) return named;
  const known = METHODS.find((method) => method !== 'none' && supported?.includes(method));
  return known ?? 'client_secret_basic';
}

async function jsonOf(response: Response): Promise<Readonly<Record<string, unknown>> | undefined> {
  try {
    const json: unknown = await response.json();
    return typeof json === 'object' && json !== null ? (json as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
