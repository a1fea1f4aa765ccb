import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { after, before, describe, it, type TestContext } from 'node:test';
import { type CryptoKey, exportSPKI, importJWK, type JWTPayload } from 'jose';
import { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import { Issuer } from '../support/issuer.ts';
import { ModernClient } from '../support/modern-client.ts';
import { ModernServer } from '../support/modern-server.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const ADMIN = 'planted-admin-key-0123456789abcdef0123456789abcdef';
const PROXY_SECRET = 'planted-proxy-secret-0123456789abcdef0123456789';
const PUBLIC_URL = 'https://dragon.example.com/gate';
const AUDIENCE = `${PUBLIC_URL}/mcp`;
const SERVICE = 'dragon.turnstile.api.v1.TurnstileService';

/** On this machine, and not where any other request of these tests comes from. */
const PROXY_ADDRESS = '127.0.0.2';

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

describe('authentication', { timeout: 170_000 }, () => {
  let gateway: Gateway;
  let issuer: Issuer;
  let server: CountingServer;
  const secrets: string[] = [ADMIN, PROXY_SECRET];

  before(async () => {
    issuer = await Issuer.start();
    server = await CountingServer.start({
      name: 'one',
      tools: [{ name: 'look', inputSchema: { type: 'object' } }],
    });
    const described = {
      issuer: issuer.url,
      rolesClaim: ['realm', 'roles'],
      roles: { ops: 'admin' },
      tenantClaim: 'org',
      mcpScopes: ['mcp:use'],
    };
    gateway = await Gateway.start({
      env: {
        DRAGON_AUTH: 'api-key,jwt,proxy',
        DRAGON_HOST: '127.0.0.1',
        DRAGON_ADMIN_API_KEY: ADMIN,
        DRAGON_PUBLIC_URL: PUBLIC_URL,
        DRAGON_JWT_ISSUERS: JSON.stringify([described]),
        DRAGON_PROXY_ADDRESSES: PROXY_ADDRESS,
        DRAGON_PROXY_SECRET: PROXY_SECRET,
        DRAGON_ALLOWED_NETWORKS: 'loopback',
        DRAGON_SSE_ENDPOINT: 'on',
        DRAGON_LOG_LEVEL: 'debug',
      },
    });
  });

  after(async () => {
    await gateway?.stop();
    await issuer?.close();
    await server?.close();
  });

  function client(t: TestContext, headers: Record<string, string> = {}): RawClient {
    const made = new RawClient(gateway.mcpUrl, { headers });
    t.after(() => made.close());
    return made;
  }

  async function token(claims: JWTPayload = {}, options = {}): Promise<string> {
    const made = await issuer.token({ aud: AUDIENCE, org: 'acme', scope: 'mcp:use', ...claims }, options);
    secrets.push(made);
    return made;
  }

  async function managed(method: string, body: object, headers: Record<string, string> = bearer(ADMIN)) {
    const response = await fetch(`${gateway.grpcUrl}/${SERVICE}/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    return { status: response.status, headers: response.headers, body: JSON.parse(await response.text()) };
  }

  async function newKey(body: object): Promise<{ key: string; id: string }> {
    const answer = await managed('CreateApiKey', { name: 'test', ...body });
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    secrets.push(answer.body.key);
    return { key: answer.body.key, id: answer.body.apiKey.id };
  }

  describe('without a credential', () => {
    const challenge = `Bearer scope="mcp:use", resource_metadata="https://dragon.example.com/.well-known/oauth-protected-resource/gate/mcp"`;

    it('nobody posts, listens or ends, in either era', async (t) => {
      const raw = client(t);
      raw.sessionId = 'whatever';
      const modern = new ModernClient(gateway.mcpUrl);
      t.after(() => modern.close());
      const answers = {
        post: await raw.initialize(),
        get: await raw.stream(),
        delete: await raw.delete(),
        modern: await modern.callTool('echo', { message: 'x' }),
        large: await raw.post('x'.repeat(200_000)),
        other: await raw
          .initialize({})
          .then(() => raw.post('{', { headers: { authorization: 'Basic eDp5' } })),
      };
      for (const [name, { status, headers }] of Object.entries(answers))
        assert.deepEqual([name, status, headers['www-authenticate']], [name, 401, challenge]);
    });

    it('nobody uses the older transport', async () => {
      const { origin } = new URL(gateway.mcpUrl);
      assert.equal((await fetch(`${origin}/sse`)).status, 401);
      const posted = await fetch(`${origin}/messages?sessionId=x`, { method: 'POST', body: '{}' });
      assert.equal(posted.status, 401);
    });

    it('everybody learns who gives out tokens', async () => {
      const { origin } = new URL(gateway.mcpUrl);
      for (const path of ['', '/mcp', '/gate/mcp']) {
        const response = await fetch(`${origin}/.well-known/oauth-protected-resource${path}`);
        assert.deepEqual(await response.json(), {
          resource: AUDIENCE,
          authorization_servers: [issuer.url],
          scopes_supported: ['mcp:use'],
          bearer_methods_supported: ['header'],
          resource_name: 'Dragon MCP Gateway',
        });
      }
    });
  });

  describe('tokens', () => {
    it('stand for a user of a tenant', async (t) => {
      const peer = client(t, bearer(await token()));
      assert.equal((await peer.initialize()).status, 200);
      assert.equal((await peer.callTool('echo', { message: 'hello' })).status, 200);
    });

    const now = () => Math.floor(Date.now() / 1000);
    const bad: Record<string, () => Promise<string>> = {
      'without a signature': async () => {
        const [, payload] = (await token()).split('.');
        return `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`;
      },
      'signed with the public key as a shared secret': async () => {
        const spki = await exportSPKI(
          (await importJWK(issuer.jwk, 'RS256', { extractable: true })) as CryptoKey,
        );
        return await token({}, { alg: 'HS256', key: Buffer.from(spki) });
      },
      'of an algorithm that is not accepted': () => token({}, { alg: 'HS512', key: Buffer.alloc(64, 1) }),
      'for another audience': () => token({ aud: 'https://other.example.com/mcp' }),
      'for the gateway, but not for its endpoint': () => token({ aud: PUBLIC_URL }),
      'without an audience': () => token({ aud: undefined as never }),
      'of another issuer': () => token({ iss: 'https://other.example.com' }),
      'of an issuer that is almost the same': () => token({ iss: `${issuer.url}/` }),
      'that has expired': () => token({ exp: now() - 60 }),
      'that never expires': () => token({ exp: undefined as never }),
      'that is not good yet': () => token({ nbf: now() + 600 }),
      'with an unknown key': () => token({}, { kid: 'unknown' }),
      'that was changed': async () => {
        const [head, , signature] = (await token()).split('.');
        const [, payload] = (await token({ sub: 'bob' })).split('.');
        return `${head}.${payload}.${signature}`;
      },
      'without a tenant': () => token({ org: undefined }),
      'without a user': () => token({ sub: '' }),
      'of a user with a line break': () => token({ sub: 'ann\nbob' }),
    };
    for (const [what, made] of Object.entries(bad)) {
      it(`are refused ${what}`, async (t) => {
        const { status, headers } = await client(t, bearer(await made())).initialize();
        assert.equal(status, 401);
        assert.match(
          String(headers['www-authenticate']),
          /^Bearer error="invalid_token", error_description="[^"]+", /,
        );
        assert.match(String(headers['www-authenticate']), /resource_metadata="https:/);
      });
    }

    it('with key ids that are made up have the keys loaded once', async (t) => {
      const before = issuer.keysAsked;
      const answers = await Promise.all(
        Array.from({ length: 20 }, async (_, index) => {
          const made = await token({}, { kid: `made-up-${index}` });
          return (await client(t, bearer(made)).initialize()).status;
        }),
      );
      assert.deepEqual(new Set(answers), new Set([401]));
      assert.ok(issuer.keysAsked - before <= 1, `${issuer.keysAsked - before} times`);
    });

    it('with too small a scope are told which one they need', async (t) => {
      const { status, headers } = await client(t, bearer(await token({ scope: 'other' }))).initialize();
      assert.equal(status, 403);
      assert.match(
        String(headers['www-authenticate']),
        /^Bearer error="insufficient_scope", .*scope="mcp:use", resource_metadata="https:/,
      );
    });

    it('make an admin by a role that is mapped, and by no other', async () => {
      const withRole = async (...roles: string[]) =>
        (await managed('ListApiKeys', { userId: 'bob' }, bearer(await token({ realm: { roles } })))).status;
      assert.equal(await withRole('ops'), 200);
      assert.equal(await withRole('admin', 'constructor'), 403);
    });
  });

  describe('API keys', () => {
    it('open what they are for', async (t) => {
      const { key: forMcp } = await newKey({ userId: 'kim' });
      const { key: forBoth } = await newKey({ userId: 'kim', scopes: ['SCOPE_MCP', 'SCOPE_MANAGE'] });
      const { key: forManaging } = await newKey({ userId: 'kim', scopes: ['SCOPE_MANAGE'] });
      const statuses = async (key: string) => [
        (await client(t, bearer(key)).initialize()).status,
        (await managed('ListMcpServers', {}, bearer(key))).status,
      ];
      assert.deepEqual(await statuses(forMcp), [200, 403]);
      assert.deepEqual(await statuses(forBoth), [200, 200]);
      assert.deepEqual(await statuses(forManaging), [403, 200]);
    });

    it('are over when they are revoked, in sessions that are open, too', async (t) => {
      const { key, id } = await newKey({});
      const peer = client(t, bearer(key));
      assert.equal((await peer.initialize()).status, 200);
      assert.equal((await peer.callTool('echo', { message: 'x' })).status, 200);
      assert.equal((await managed('RevokeApiKey', { id })).status, 200);
      const { status, headers } = await peer.callTool('echo', { message: 'x' });
      assert.equal(status, 401);
      assert.match(
        String(headers['www-authenticate']),
        /error="invalid_token", error_description="This API key was revoked"/,
      );
    });

    it('are over when they expire', async (t) => {
      const { key } = await newKey({ expireTime: new Date(Date.now() + 3000).toISOString() });
      const peer = client(t, bearer(key));
      await peer.initialize();
      const { headers } = await until(
        async () => {
          const answer = await peer.request('ping');
          return answer.status === 401 && answer;
        },
        { what: 'the end of the key' },
      );
      assert.match(String(headers['www-authenticate']), /has expired/);
    });

    it('are refused with another secret, cut short, or made up', async (t) => {
      const { key, id } = await newKey({});
      const { key: other } = await newKey({});
      const forged = [
        `drg_${id}_${other.slice(-43)}`,
        key.slice(0, -1),
        `drg_${'0'.repeat(20)}_${key.slice(-43)}`,
      ];
      for (const each of [...forged, `${ADMIN}x`, ADMIN.slice(1)])
        assert.equal((await client(t, bearer(each)).initialize()).status, 401, each);
    });

    it('are noted as used', async (t) => {
      const { key, id } = await newKey({ userId: 'lee' });
      await client(t, bearer(key)).initialize();
      await until(
        async () => {
          const { body } = await managed('ListApiKeys', { userId: 'lee' });
          return body.apiKeys.some(
            (each: { id: string; lastUseTime?: string }) => each.id === id && each.lastUseTime,
          );
        },
        { what: 'the use of the key to be noted' },
      );
    });
  });

  describe('a session', () => {
    it('is nobody else’s to post to, listen to or end, of whichever user or tenant', async (t) => {
      const peer = client(t, bearer(await token()));
      await peer.initialize();
      const thieves = [await token({ sub: 'bob' }), await token({ org: 'other' }), ADMIN];
      for (const thief of thieves) {
        const other = client(t, bearer(thief));
        other.sessionId = peer.sessionId;
        other.protocolVersion = peer.protocolVersion;
        const unknown = client(t, bearer(thief));
        unknown.sessionId = 'unknown';
        unknown.protocolVersion = peer.protocolVersion;
        const posted = await other.request('tools/list', {}, { id: 7 });
        assert.equal(posted.status, 404);
        assert.equal(posted.text, (await unknown.request('tools/list', {}, { id: 7 })).text);
        assert.equal((await other.stream()).status, 404);
        assert.equal((await other.stream({ lastEventId: '0-1' })).status, 404);
        assert.equal((await other.delete()).status, 404);
      }
      assert.equal((await peer.request('ping')).status, 200);
      const again = client(t, bearer(await token({ jti: 'another token of the same user' })));
      again.sessionId = peer.sessionId;
      again.protocolVersion = peer.protocolVersion;
      assert.equal((await again.request('ping')).status, 200);
    });

    it('nor is one of the older transport, of whichever user, tenant or roles', async (t) => {
      const { origin } = new URL(gateway.mcpUrl);
      const own = await token();
      const stop = new AbortController();
      t.after(() => stop.abort());
      const stream = await fetch(`${origin}/sse`, { headers: bearer(own), signal: stop.signal });
      const reader = stream.body!.getReader();
      const first = Buffer.from((await reader.read()).value!).toString();
      const address = /data: (\S+)/.exec(first)?.[1] ?? '';
      assert.match(address, /^\/messages\?sessionId=/);
      const posted = async (shown: string, to = address) => {
        const response = await fetch(origin + to, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...bearer(shown) },
          body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
        });
        return [response.status, await response.text()];
      };
      const never = await posted(own, '/messages?sessionId=unknown');
      assert.equal(never[0], 404);
      for (const thief of [
        await token({ sub: 'bob' }),
        await token({ org: 'other' }),
        await token({ realm: { roles: ['ops'] } }),
        ADMIN,
      ])
        assert.deepEqual(await posted(thief), never);
      assert.equal((await posted(await token({ jti: 'another token of the same user' })))[0], 202);
    });
  });

  describe('a proxy', () => {
    /** Status of a call that comes from an address. */
    async function called(localAddress: string, headers: Record<string, string | string[]>, port = 'mcp') {
      const url = port === 'mcp' ? gateway.mcpUrl : `${gateway.grpcUrl}/${SERVICE}/ListMcpServers`;
      const usual = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
      const hello = {
        protocolVersion: '2025-11-25',
        capabilities: {},
        clientInfo: { name: 'x', version: '1' },
      };
      const body = port === 'mcp' ? { jsonrpc: '2.0', id: 1, method: 'initialize', params: hello } : {};
      const request = httpRequest(url, { method: 'POST', localAddress, headers: { ...usual, ...headers } });
      request.end(JSON.stringify(body));
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      response.resume();
      await once(response, 'end');
      return response.statusCode;
    }
    const pia = { 'x-forwarded-user': 'pia' };
    const shown = { ...pia, 'dragon-proxy-secret': PROXY_SECRET };

    it('is believed where it comes from, with its secret', async () => {
      assert.equal(await called(PROXY_ADDRESS, shown), 200);
      assert.equal(await called(PROXY_ADDRESS, shown, 'management'), 200);
    });

    it('is not believed from elsewhere, or without its secret', async () => {
      assert.equal(await called('127.0.0.1', shown), 401);
      assert.equal(await called('127.0.0.1', shown, 'management'), 401);
      assert.equal(await called(PROXY_ADDRESS, pia), 401);
      assert.equal(await called(PROXY_ADDRESS, { ...pia, 'dragon-proxy-secret': 'wrong' }), 401);
    });

    it('is not believed where somebody may have added to what it says', async () => {
      assert.equal(await called(PROXY_ADDRESS, { ...shown, 'x-forwarded-user': ['pia', 'root'] }), 401);
      assert.equal(await called(PROXY_ADDRESS, { ...shown, 'x-forwarded-user': '' }), 401);
    });
  });

  describe('the management port', () => {
    it('says who may not, in the words of each protocol', async () => {
      const { status, headers, body } = await managed('ListMcpServers', {}, {});
      assert.deepEqual([status, body.code], [401, 'unauthenticated']);
      assert.match(headers.get('www-authenticate') ?? '', /^Bearer resource_metadata="https:/);
    });
  });

  it('what clients send to be known goes to no server, of clients and servers of either era', async (t) => {
    const newer = await ModernServer.start({
      lists: { tools: [{ name: 'look', inputSchema: { type: 'object' } }] },
    });
    t.after(() => newer.close());
    await managed('CreateMcpServer', { name: 'one', url: server.url });
    await managed('CreateMcpServer', { name: 'two', url: newer.url });
    const { key } = await newKey({});
    const headers = { ...bearer(key), 'x-forwarded-user': 'planted-user', cookie: 'planted=cookie' };
    const peer = client(t, headers);
    await peer.initialize();
    const modern = new ModernClient(gateway.mcpUrl, { headers });
    t.after(() => modern.close());
    for (const name of ['one__look', 'two__look']) {
      await until(async () => (await peer.callTool(name)).message?.result !== undefined, {
        what: 'the server to be called',
      });
      assert.ok((await modern.callTool(name)).message?.result !== undefined, name);
    }
    assert.ok(server.seen.length >= 2 && newer.seen.length >= 2);
    for (const { headers, body } of [...server.seen, ...newer.seen]) {
      assert.equal(headers['authorization'], undefined);
      assert.doesNotMatch(JSON.stringify([headers, body]), new RegExp(`${key}|planted`));
    }
  });

  it('nothing secret is logged', () => {
    assert.ok(secrets.length > 20);
    for (const secret of secrets) {
      // Of a token and of a key, what makes it one stands at its end.
      assert.equal(gateway.output.includes(secret.slice(-40)), false, `${secret} is logged`);
    }
  });
});
