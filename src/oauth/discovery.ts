import type { LoginChallenge } from '../db/oauth-record.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { type GuardedFetch, safeUrl } from './guarded-fetch.ts';

/** Metadata of an authorization server (RFC 8414, OpenID Connect Discovery), as far as it is used. */
export interface AuthorizationServer {
  readonly issuer: string;
  /** Absent where nobody can log in. */
  readonly authorization_endpoint?: string;
  readonly token_endpoint: string;
  readonly registration_endpoint?: string;
  readonly revocation_endpoint?: string;
  readonly scopes_supported?: readonly string[];
  readonly token_endpoint_auth_methods_supported?: readonly string[];
  readonly code_challenge_methods_supported?: readonly string[];
  readonly client_id_metadata_document_supported?: boolean;
  readonly authorization_response_iss_parameter_supported?: boolean;
}

/** How to log in to a server. */
export interface Discovered {
  /** What tokens are for (RFC 8707). */
  readonly resource: string;
  readonly scopesSupported: readonly string[] | undefined;
  readonly server: AuthorizationServer;
}

type Json = Readonly<Record<string, unknown>>;

/**
 * Finds out how to log in to a server: where it says so, then where servers publish it (2026-07-28, authorization server
 * discovery). Undefined where it offers no log-in. Throws FailedPrecondition for metadata that may not be used. `issuer`:
 * the one to use where the server publishes nothing.
 */
export async function discover(
  serverUrl: string,
  challenge: LoginChallenge | undefined,
  fetch: GuardedFetch,
): Promise<Discovered | undefined> {
  const resourceMetadata = await findResource(serverUrl, challenge?.resourceMetadata, fetch);
  if (resourceMetadata === undefined) {
    // Until 2025-03-26 a server was its own authorization server.
    const { origin } = new URL(serverUrl);
    const server = await findServer(origin, fetch);
    return server && { resource: resourceOf(serverUrl), scopesSupported: undefined, server };
  }
  const { resource } = resourceMetadata;
  if (typeof resource !== 'string' || !covers(resource, serverUrl))
    throw refused(`The metadata of ${new URL(serverUrl).origin} is for another server`);
  const [issuer] = texts(resourceMetadata['authorization_servers']) ?? [];
  if (issuer === undefined) throw refused(`${new URL(serverUrl).origin} names no authorization server`);
  const server = await discoverServer(issuer, fetch);
  return { resource, scopesSupported: texts(resourceMetadata['scopes_supported']), server };
}

/** The metadata of an authorization server. Throws FailedPrecondition where there is none, or none that may be used. */
export async function discoverServer(issuer: string, fetch: GuardedFetch): Promise<AuthorizationServer> {
  safeUrl(issuer);
  const server = await findServer(issuer, fetch);
  if (server !== undefined) return server;
  throw refused(`The authorization server ${issuer.slice(0, 200)} publishes no metadata`);
}

/** How servers of 2025-03-26 may be logged in to that publish nothing at all. */
export function withoutMetadata(serverUrl: string): Discovered {
  const { origin } = new URL(serverUrl);
  safeUrl(origin);
  return {
    resource: resourceOf(serverUrl),
    scopesSupported: undefined,
    server: {
      issuer: origin,
      authorization_endpoint: `${origin}/authorize`,
      token_endpoint: `${origin}/token`,
      registration_endpoint: `${origin}/register`,
      code_challenge_methods_supported: ['S256'],
    },
  };
}

async function findResource(
  serverUrl: string,
  named: string | undefined,
  fetch: GuardedFetch,
): Promise<Json | undefined> {
  const { origin, pathname } = new URL(serverUrl);
  const wellKnown = `${origin}/.well-known/oauth-protected-resource`;
  const path = pathname.replace(/\/$/, '');
  const places = named === undefined ? [...(path === '' ? [] : [wellKnown + path]), wellKnown] : [named];
  for (const place of places) {
    const found = await fetchJson(place, fetch);
    if (found !== undefined) return found;
  }
  if (named !== undefined) throw refused(`${origin} names metadata that is not there`);
  return undefined;
}

async function findServer(issuer: string, fetch: GuardedFetch): Promise<AuthorizationServer | undefined> {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  const places =
    path === ''
      ? ['oauth-authorization-server', 'openid-configuration'].map((name) => `${origin}/.well-known/${name}`)
      : [
          `${origin}/.well-known/oauth-authorization-server${path}`,
          `${origin}/.well-known/openid-configuration${path}`,
          `${origin}${path}/.well-known/openid-configuration`,
        ];
  for (const place of places) {
    const found = await fetchJson(place, fetch);
    if (found !== undefined) return readServer(issuer, found);
  }
  return undefined;
}

/** RFC 8414, 3.3: metadata of another issuer may not be used. */
function readServer(issuer: string, json: Json): AuthorizationServer {
  const named = json['issuer'];
  // An origin is written with and without its slash; nothing else is made equal.
  const isSame =
    named === issuer || (typeof named === 'string' && bare(named) === bare(issuer) && isOrigin(issuer));
  if (typeof named !== 'string' || !isSame)
    throw refused(`The metadata of the authorization server ${issuer.slice(0, 200)} is another issuer's`);
  const endpoint = (name: string) => {
    const value = json[name];
    return typeof value === 'string' ? safeUrl(value).href : undefined;
  };
  const authorization = endpoint('authorization_endpoint');
  const token = endpoint('token_endpoint');
  if (token === undefined)
    throw refused(`The authorization server ${issuer.slice(0, 200)} names no token endpoint`);
  const registration = endpoint('registration_endpoint');
  const revocation = endpoint('revocation_endpoint');
  const scopes = texts(json['scopes_supported']);
  const methods = texts(json['token_endpoint_auth_methods_supported']);
  const challenges = texts(json['code_challenge_methods_supported']);
  return {
    issuer: named,
    ...(authorization && { authorization_endpoint: authorization }),
    token_endpoint: token,
    ...(registration && { registration_endpoint: registration }),
    ...(revocation && { revocation_endpoint: revocation }),
    ...(scopes && { scopes_supported: scopes }),
    ...(methods && { token_endpoint_auth_methods_supported: methods }),
    ...(challenges && { code_challenge_methods_supported: challenges }),
    client_id_metadata_document_supported: json['client_id_metadata_document_supported'] === true,
    authorization_response_iss_parameter_supported:
      json['authorization_response_iss_parameter_supported'] === true,
  };
}

/** What is no metadata counts as not there: many servers answer every path with something. */
async function fetchJson(url: string, fetch: GuardedFetch): Promise<Json | undefined> {
  const response = await fetch(safeUrl(url).href, { headers: { accept: 'application/json' } });
  if (response.status >= 500)
    throw new GatewayError(
      Code.DownstreamUnavailable,
      `${new URL(url).origin} answered HTTP ${response.status}`,
    );
  if (response.status !== 200) return undefined;
  try {
    const json: unknown = JSON.parse(await response.text());
    return typeof json === 'object' && json !== null && !Array.isArray(json) ? (json as Json) : undefined;
  } catch {
    return undefined;
  }
}

/** RFC 9728, 3.3, and servers that publish one document for all that is below it. */
function covers(resource: string, serverUrl: string): boolean {
  const wide = URL.parse(resource);
  const narrow = new URL(serverUrl);
  if (wide === null || wide.origin !== narrow.origin || wide.search !== '' || wide.hash !== '') return false;
  const path = wide.pathname.replace(/\/$/, '');
  return (
    narrow.pathname === wide.pathname || narrow.pathname === path || narrow.pathname.startsWith(`${path}/`)
  );
}

/** The server's URL as tokens name it: without a slash that says nothing. */
export function resourceOf(serverUrl: string): string {
  const url = new URL(serverUrl);
  url.hash = '';
  return url.pathname === '/' && url.search === '' ? url.origin : url.href;
}

function isOrigin(url: string): boolean {
  const { pathname, search } = new URL(url);
  return pathname === '/' && search === '';
}

/** An origin, or an issuer, without the slash that says nothing. */
export function bare(url: string): string {
  return url.replace(/\/$/, '');
}

function texts(value: unknown): readonly string[] | undefined {
  return Array.isArray(value) ? value.filter((each) => typeof each === 'string') : undefined;
}

function refused(problem: string): GatewayError {
  return new GatewayError(Code.FailedPrecondition, problem);
}
