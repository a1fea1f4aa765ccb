import * as oauth from 'oauth4webapi';
import type { OAuthClient, OAuthTokens, PendingLogin, TokenEndpoints } from '../db/oauth-record.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { scopeList } from './challenge.ts';
import type { AuthorizationServer } from './discovery.ts';
import { type GuardedFetch, safeUrl } from './guarded-fetch.ts';
import { readPrivateKey } from './private-key.ts';

/** What an authorization server said to a request, in its own words: `error` of RFC 6749, 5.2. */
export class OAuthRefusal extends GatewayError {
  readonly error: string;

  constructor(issuer: string, error: string) {
    super(Code.FailedPrecondition, `The authorization server ${issuer} refused: ${printable(error)}`);
    this.error = error;
  }
}

export type Grant = Pick<OAuthTokens, 'accessToken' | 'refreshToken' | 'expiresAt' | 'scopes'>;

/** RFC 7636 and RFC 6749, 10.12: of 256 random bits each. */
export const randomSecret = oauth.generateRandomState;

/** The address at which somebody logs in. */
export async function authorizationUrl(
  server: AuthorizationServer,
  login: PendingLogin,
  state: string,
): Promise<string> {
  const url = safeUrl(server.authorization_endpoint ?? '');
  const params: Readonly<Record<string, string>> = {
    response_type: 'code',
    client_id: login.client.clientId,
    redirect_uri: login.client.redirectUri,
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(login.verifier),
    code_challenge_method: 'S256',
    resource: login.resource,
    ...(login.scopes.length === 0 ? {} : { scope: login.scopes.join(' ') }),
    // OpenID Connect gives what outlives the person's session only to those who ask the person.
    ...(login.scopes.includes('offline_access') ? { prompt: 'consent' } : {}),
  };
  for (const [name, value] of Object.entries(params)) url.searchParams.set(name, value);
  return url.href;
}

/**
 * Exchanges what a browser has brought back for tokens. `state` is the one that was sent. Throws FailedPrecondition where it is
 * of another issuer or an error, OAuthRefusal where the authorization server refuses.
 */
export async function exchangeCode(
  login: PendingLogin,
  params: URLSearchParams,
  state: string,
  fetch: GuardedFetch,
): Promise<Grant> {
  const { server, client, resource } = login;
  const as = {
    ...asOf(server),
    authorization_response_iss_parameter_supported: server.issParameterSupported,
  };
  let callback: URLSearchParams;
  try {
    callback = oauth.validateAuthResponse(as, clientOf(client), params, state);
  } catch (error) {
    if (error instanceof oauth.AuthorizationResponseError) throw new OAuthRefusal(server.issuer, error.error);
    // Without its cause, which has the code in it.
    const reason = 'This answer is not one of the authorization server that was asked';
    throw new GatewayError(Code.FailedPrecondition, reason);
  }
  return answered(server.issuer, login.scopes, async () => {
    const response = await oauth.authorizationCodeGrantRequest(
      as,
      clientOf(client),
      authOf(client),
      callback,
      client.redirectUri,
      login.verifier,
      { ...options(fetch), additionalParameters: { resource } },
    );
    return oauth.processAuthorizationCodeResponse(as, clientOf(client), await withoutIdToken(response));
  });
}

/** RFC 6749, 6. The old refresh token stays where no new one comes. */
export async function refreshTokens(tokens: OAuthTokens, fetch: GuardedFetch): Promise<OAuthTokens> {
  const { server, client, resource, refreshToken = '' } = tokens;
  const as = asOf(server);
  const grant = await answered(server.issuer, tokens.scopes, async () => {
    const response = await oauth.refreshTokenGrantRequest(
      as,
      clientOf(client),
      authOf(client),
      refreshToken,
      {
        ...options(fetch),
        additionalParameters: { resource },
      },
    );
    return oauth.processRefreshTokenResponse(as, clientOf(client), await withoutIdToken(response));
  });
  const { expiresAt: _, ...kept } = tokens;
  return { ...kept, refreshToken, ...grant };
}

/** RFC 6749, 4.4. Throws as {@link refreshTokens}. */
export async function clientCredentials(
  server: TokenEndpoints,
  client: OAuthClient,
  { resource, scopes }: { readonly resource: string; readonly scopes: readonly string[] },
  fetch: GuardedFetch,
): Promise<Grant> {
  const as = asOf(server);
  const { refreshToken: _, ...grant } = await answered(server.issuer, scopes, async () => {
    const response = await oauth.clientCredentialsGrantRequest(
      as,
      clientOf(client),
      authOf(client),
      { resource, ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }) },
      options(fetch),
    );
    return oauth.processClientCredentialsResponse(as, clientOf(client), await withoutIdToken(response));
  });
  return grant;
}

/**
 * RFC 8693: a caller's token for one of a server, named by `audience` or `resource`. Throws as {@link refreshTokens}; no error has the
 * caller's token in it.
 */
export async function exchangeToken(
  server: TokenEndpoints,
  client: OAuthClient,
  wanted: {
    readonly subjectToken: string;
    readonly audience?: string;
    readonly resource?: string;
    readonly scopes: readonly string[];
  },
  fetch: GuardedFetch,
): Promise<Grant> {
  const { subjectToken, audience, resource, scopes } = wanted;
  const as = asOf(server);
  const { refreshToken: _, ...grant } = await answered(server.issuer, scopes, async () => {
    const response = await oauth.genericTokenEndpointRequest(
      as,
      clientOf(client),
      authOf(client),
      'urn:ietf:params:oauth:grant-type:token-exchange',
      {
        subject_token: subjectToken,
        subject_token_type: ACCESS_TOKEN,
        requested_token_type: ACCESS_TOKEN,
        ...(audience === undefined ? {} : { audience }),
        ...(resource === undefined ? {} : { resource }),
        ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
      },
      options(fetch),
    );
    const answer = await withoutIdToken(response);
    return oauth.processGenericTokenEndpointResponse(as, clientOf(client), answer);
  });
  return grant;
}

/** RFC 8693, 3. */
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

/** RFC 7009. Rejects where the authorization server does not say that it has. */
export async function revokeToken(
  server: TokenEndpoints,
  client: OAuthClient,
  token: string,
  hint: 'access_token' | 'refresh_token',
  fetch: GuardedFetch,
): Promise<void> {
  const response = await oauth.revocationRequest(asOf(server), clientOf(client), authOf(client), token, {
    ...options(fetch),
    additionalParameters: { token_type_hint: hint },
  });
  await oauth.processRevocationResponse(response);
}

async function answered(
  issuer: string,
  asked: readonly string[],
  ask: () => Promise<oauth.TokenEndpointResponse>,
): Promise<Grant> {
  let answer: oauth.TokenEndpointResponse;
  try {
    answer = await ask();
  } catch (error) {
    throw readable(issuer, error);
  }
  if (answer.token_type !== 'bearer')
    throw new GatewayError(
      Code.FailedPrecondition,
      `${issuer} gives out tokens of a kind that is not used here`,
    );
  const { access_token: accessToken, refresh_token: refreshToken, expires_in: seconds, scope } = answer;
  if (!/^[\x21-\x7e]+$/.test(accessToken))
    throw new GatewayError(Code.FailedPrecondition, `${issuer} gave out a token that no header can carry`);
  const given = typeof scope === 'string' ? scopeList(scope) : [];
  return {
    accessToken,
    scopes: [...new Set([...asked, ...given])],
    ...(refreshToken === undefined ? {} : { refreshToken }),
    ...(seconds === undefined ? {} : { expiresAt: Date.now() + seconds * 1000 }),
  };
}

function readable(issuer: string, error: unknown): GatewayError {
  if (error instanceof oauth.ResponseBodyError) return new OAuthRefusal(issuer, error.error);
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at instanceof GatewayError) return at;
    // RFC 6750: some refuse a client like a token.
    if (at instanceof oauth.WWWAuthenticateChallengeError) return new OAuthRefusal(issuer, 'invalid_client');
  }
  const response = error instanceof Error && error.cause instanceof Response ? error.cause : undefined;
  const said = response === undefined ? '' : ` (HTTP ${response.status})`;
  // Without its cause, which may have tokens in it.
  const reason = `The authorization server ${issuer} answered what is no token${said}`;
  return new GatewayError(Code.DownstreamUnavailable, reason);
}

/** Who the person is there is of no interest here, and nothing is to fail because of it. */
async function withoutIdToken(response: Response): Promise<Response> {
  const text = await response.text();
  let body = text;
  try {
    const { id_token: _, ...rest } = JSON.parse(text);
    body = JSON.stringify(rest);
  } catch {
    // Whoever reads it says what is wrong.
  }
  return new Response(body, { status: response.status, headers: response.headers });
}

function asOf({ issuer, tokenEndpoint, revocationEndpoint }: TokenEndpoints): oauth.AuthorizationServer {
  return {
    issuer,
    token_endpoint: tokenEndpoint,
    ...(revocationEndpoint === undefined ? {} : { revocation_endpoint: revocationEndpoint }),
  };
}

function clientOf({ clientId }: OAuthClient): oauth.Client {
  return { client_id: clientId };
}

function authOf({ authMethod, clientSecret = '', privateKey = '' }: OAuthClient): oauth.ClientAuth {
  switch (authMethod) {
    case 'none':
      return oauth.None();
    case 'client_secret_basic':
      return basic(clientSecret);
    case 'client_secret_post':
      return oauth.ClientSecretPost(clientSecret);
    case 'private_key_jwt':
      return oauth.PrivateKeyJwt(signingKey(privateKey));
  }
}

function signingKey(privateKey: string): oauth.PrivateKey | oauth.CryptoKey {
  const { key, kid } = readPrivateKey(privateKey);
  return kid === undefined ? key : { key, kid };
}

/** RFC 6749, 2.3.1. Only what has to be is escaped: many authorization servers take the rest as it comes. */
function basic(clientSecret: string): oauth.ClientAuth {
  return (_server, { client_id: clientId }, _body, headers) => {
    const pair = [clientId, clientSecret].map((part) =>
      new URLSearchParams([['', part]]).toString().slice(1),
    );
    headers.set('authorization', `Basic ${Buffer.from(pair.join(':')).toString('base64')}`);
  };
}

function options(fetch: GuardedFetch) {
  return {
    // Which addresses may be asked without TLS is the guard's to say.
    [oauth.allowInsecureRequests]: true,
    [oauth.customFetch]: (
      url: string,
      { method, headers, body }: oauth.CustomFetchOptions<string, unknown>,
    ) =>
      fetch(url, { method, headers, body: body === undefined || body === null ? undefined : String(body) }),
  };
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
}
