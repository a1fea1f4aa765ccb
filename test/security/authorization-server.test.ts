import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it, type TestContext } from 'node:test';
import { ClientCredentialsProvider } from '@modelcontextprotocol/sdk/client/auth-extensions.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { exportJWK, generateKeyPair } from 'jose';
import Provider from 'oidc-provider';
import { Gateway } from '../support/gateway.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const SECRET = 'the-secret-of-a-client-0123456789';

/** A real authorization server: clients that get tokens of a resource for themselves, as JWTs. */
async function startProvider(): Promise<{ readonly issuer: string; readonly http: Server }> {
  const http = createServer();
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const issuer = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const client = (id: string) => ({
    client_id: id,
    client_secret: SECRET,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
    id_token_signed_response_alg: 'ES256',
  });
  const provider = new Provider(issuer, {
    clients: [client('agent'), client('other')],
    clientAuthMethods: ['client_secret_basic'],
    jwks: { keys: [{ ...(await exportJWK(privateKey)), kid: 'one', alg: 'ES256', use: 'sig' }] },
    scopes: ['mcp:use', 'mcp:look'],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context: unknown, resource: string) => ({
          scope: 'mcp:use mcp:look',
          audience: resource,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  });
  http.on('request', provider.callback());
  return { issuer, http };
}

describe('a real authorization server', { timeout: 120_000 }, () => {
  let issuer: string;
  let http: Server;
  let gateway: Gateway;
  /** Gives the gateway a URL before it has a port. */
  let front: TcpProxy;

  before(async () => {
    ({ issuer, http } = await startProvider());
    front = await TcpProxy.start({ targets: () => [new URL(gateway.mcpUrl).host] });
    gateway = await Gateway.start({
      env: {
        DRAGON_AUTH: 'jwt',
        DRAGON_HOST: '127.0.0.1',
        DRAGON_PUBLIC_URL: `http://127.0.0.1:${front.port}`,
        DRAGON_JWT_ISSUERS: JSON.stringify([{ issuer, tokenType: 'at+jwt', mcpScopes: ['mcp:use'] }]),
      },
    });
  });

  after(async () => {
    await gateway?.stop();
    await front?.close();
    http?.closeAllConnections();
    http?.close();
  });

  /** The official client, which knows the gateway's URL and its own credentials. */
  async function connected(t: TestContext, clientId: string, scope = 'mcp:use') {
    const authProvider = new ClientCredentialsProvider({
      clientId,
      clientSecret: SECRET,
      expectedIssuer: issuer,
      scope,
    });
    const transport = new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${front.port}/mcp`), {
      authProvider,
    });
    const client = new Client({ name: 'agent', version: '1' });
    t.after(() => client.close());
    await client.connect(transport as Parameters<Client['connect']>[0]);
    return { client, transport, token: authProvider.tokens()?.access_token ?? '' };
  }

  it('is found by the official client from nothing but the URL of the gateway', async (t) => {
    const { client, token } = await connected(t, 'agent');
    const { tools } = await client.listTools();
    assert.ok(tools.some(({ name }) => name === 'echo'));
    const [, payload = ''] = token.split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
    assert.deepEqual([claims.aud, claims.scope], [`http://127.0.0.1:${front.port}/mcp`, 'mcp:use']);
  });

  it('gives tokens that are of no use to another client’s session, or with another scope', async (t) => {
    const { transport } = await connected(t, 'agent');
    const { token } = await connected(t, 'other');
    const called = async (headers: Record<string, string>) => {
      const response = await fetch(`http://127.0.0.1:${front.port}/mcp`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'mcp-session-id': transport.sessionId ?? '',
          ...headers,
        },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
      });
      return response.status;
    };
    assert.equal(await called({ authorization: `Bearer ${token}` }), 404);
    assert.equal(await called({ authorization: `Bearer ${token}x` }), 401);
    await assert.rejects(connected(t, 'agent', 'mcp:look'));
  });
});
