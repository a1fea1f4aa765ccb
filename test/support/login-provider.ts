import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair } from 'jose';
import Provider, { type Token } from 'oidc-provider';

/** One request to the token endpoint, or another that clients make by themselves. */
export interface SeenAtProvider {
  readonly path: string;
  readonly form: URLSearchParams;
}

/** Answers a request in the place of the provider, and says so by returning true. */
type Intercept = (seen: SeenAtProvider, response: ServerResponse) => boolean | Promise<boolean>;

/**
 * A real authorization server at which everybody is `ann` and agrees to everything: registers clients, wants PKCE, rotates
 * refresh tokens and ends the whole log-in where one comes twice, revokes.
 */
export class LoginProvider {
  readonly issuer: string;
  /** Seconds for which access tokens are good that are given out from now on. */
  tokenSeconds = 3600;
  /** Posted requests in order of arrival. */
  readonly seen: SeenAtProvider[] = [];
  /** The person says no. */
  isRefusing = false;
  intercept: Intercept = () => false;
  provider: Provider;
  readonly #http: Server;
  readonly #make: () => Provider;

  private constructor(http: Server, issuer: string, make: (self: LoginProvider) => Provider) {
    this.issuer = issuer;
    this.#http = http;
    this.#make = () => make(this);
    this.provider = this.#make();
    http.on('request', (request, response) => void this.#handle(request, response));
  }

  static async start(): Promise<LoginProvider> {
    const http = createServer();
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    const issuer = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    const { privateKey } = await generateKeyPair('ES256', { extractable: true });
    const jwk = { ...(await exportJWK(privateKey)), kid: 'one', alg: 'ES256', use: 'sig' };
    return new LoginProvider(http, issuer, (self) => newProvider(self, jwk));
  }

  /** Forgets clients, tokens and sessions, as one does that keeps them in memory and is started again. */
  restart(): void {
    this.provider = this.#make();
  }

  /** Requests to the token endpoint with this grant type. */
  grants(type: string): readonly SeenAtProvider[] {
    return this.seen.filter(({ path, form }) => path === '/token' && form.get('grant_type') === type);
  }

  /** The person that a token is of; undefined for one that is not good. */
  async whose(token: string): Promise<string | undefined> {
    return (await this.provider.AccessToken.find(token))?.accountId;
  }

  /** A token of a person, or of a client in its own right. */
  async find(token: string): Promise<Token | undefined> {
    const { AccessToken, ClientCredentials } = this.provider;
    return (await AccessToken.find(token)) ?? (await ClientCredentials.find(token));
  }

  /** Registers a client that gets tokens in its own right. */
  async registerOwn(
    metadata: Readonly<Record<string, unknown>> = {},
  ): Promise<Readonly<Record<string, string>>> {
    const response = await fetch(`${this.issuer}/reg`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        grant_types: ['client_credentials'],
        response_types: [],
        redirect_uris: [],
        token_endpoint_auth_method: 'client_secret_basic',
        ...metadata,
      }),
    });
    return (await response.json()) as Record<string, string>;
  }

  async close(): Promise<void> {
    this.#http.closeAllConnections();
    this.#http.close();
    await once(this.#http, 'close');
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    if (path.startsWith('/interaction/')) return this.#interact(request, response);
    if (request.method === 'POST') {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const body = Buffer.concat(chunks).toString();
      const seen = { path, form: new URLSearchParams(body) };
      this.seen.push(seen);
      if (await this.intercept(seen, response)) return;
      // The provider takes what somebody has read before it.
      const json = request.headers['content-type']?.includes('json') ? JSON.parse(body) : body;
      Object.assign(request, { body: typeof json === 'string' ? Object.fromEntries(seen.form) : json });
    }
    this.provider.callback()(request, response);
  }

  async #interact(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const options = { mergeWithLastSubmission: false };
    const { prompt, params, session } = await this.provider.interactionDetails(request, response);
    if (this.isRefusing)
      return this.provider.interactionFinished(request, response, { error: 'access_denied' }, options);
    if (prompt.name === 'login') {
      const result = { login: { accountId: 'ann' } };
      return this.provider.interactionFinished(request, response, result, options);
    }
    const grant = new this.provider.Grant({
      accountId: session?.accountId ?? 'ann',
      clientId: String(params['client_id']),
    });
    grant.addOIDCScope('openid offline_access');
    grant.addResourceScope(String(params['resource']), String(params['scope'] ?? ''));
    const result = { consent: { grantId: await grant.save() } };
    return this.provider.interactionFinished(request, response, result, options);
  }
}

function newProvider(self: LoginProvider, jwk: Readonly<Record<string, unknown>>): Provider {
  return new Provider(self.issuer, {
    jwks: { keys: [jwk] },
    scopes: ['openid', 'offline_access'],
    clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    findAccount: (_context: unknown, accountId: string) => ({
      accountId,
      claims: () => ({ sub: accountId }),
    }),
    interactions: { url: (_context: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    pkce: { required: () => true },
    ttl: {
      AccessToken: () => self.tokenSeconds,
      ClientCredentials: () => self.tokenSeconds,
      RefreshToken: () => 86_400,
      Grant: 86_400,
      Session: 600,
      Interaction: 600,
    },
    features: {
      devInteractions: { enabled: false },
      registration: { enabled: true },
      revocation: { enabled: true },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context: unknown, resource: string) => ({
          scope: 'mcp:use mcp:more',
          audience: resource,
          accessTokenFormat: 'opaque',
        }),
        useGrantedResource: () => true,
      },
    },
  });
}
