import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it, type TestContext } from 'node:test';
import { CountingServer } from '../support/counting-http.ts';
import { ExchangeServer } from '../support/exchange-server.ts';
import { Gateway } from '../support/gateway.ts';
import { Issuer } from '../support/issuer.ts';
import { ModernClient } from '../support/modern-client.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const ADMIN = 'the-key-of-the-operator-0123456789abcdef';
const PUBLIC_URL = 'https://dragon.example.com';
const CLIENT_SECRET = 'the-secret-of-the-gateways-client';

describe('a server for which the tokens of callers are exchanged', { timeout: 120_000 }, () => {
  let gateway: Gateway;
  let issuer: Issuer;
  let exchange: ExchangeServer;
  let server: CountingServer;
  /** Requests with a token that was not good. */
  let refusals = 0;
  /** Of callers. */
  const shown: string[] = [];

  before(async () => {
    issuer = await Issuer.start();
    exchange = await ExchangeServer.start('dragon', CLIENT_SECRET);
    server = await CountingServer.start({
      intercept: ({ headers }, response) => {
        if (exchange.subjectOf(headers.authorization) !== undefined) return false;
        refusals += headers.authorization === undefined ? 0 : 1;
        response.writeHead(401, { 'www-authenticate': 'Bearer scope="mcp:use"' }).end();
        return true;
      },
    });
    gateway = await Gateway.start({
      env: {
        DRAGON_AUTH: 'api-key,jwt',
        DRAGON_HOST: '127.0.0.1',
        DRAGON_ADMIN_API_KEY: ADMIN,
        DRAGON_PUBLIC_URL: PUBLIC_URL,
        DRAGON_JWT_ISSUERS: issuer.url,
        DRAGON_TOKEN_EXCHANGE_ISSUERS: exchange.url,
        DRAGON_ALLOWED_NETWORKS: 'loopback',
        DRAGON_LOG_LEVEL: 'debug',
      },
    });
    await manage('CreateMcpServer', {
      name: 'docs',
      url: server.url,
      sharedWith: { tenant: true },
      oauth: grant({ scopes: ['mcp:use'], audience: 'api://docs' }),
    });
  });

  after(async () => {
    await gateway?.stop();
    await Promise.all([issuer?.close(), exchange?.close(), server?.close()]);
  });

  beforeEach(() => {
    exchange.refusal = undefined;
    exchange.tokenSeconds = 3600;
  });

  const grant = (more: object = {}) => ({
    grant: 'GRANT_TOKEN_EXCHANGE',
    clientId: 'dragon',
    clientSecret: CLIENT_SECRET,
    issuer: exchange.url,
    ...more,
  });

  async function ask(method: string, body: object, token = ADMIN) {
    const url = `${gateway.grpcUrl}/dragon.turnstile.api.v1.TurnstileService/${method}`;
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) });
    return { status: response.status, body: JSON.parse(await response.text()) };
  }

  async function manage(method: string, body: object, token = ADMIN) {
    const answer = await ask(method, body, token);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body;
  }

  async function tokenOf(sub: string): Promise<string> {
    const token = await issuer.token({ aud: `${PUBLIC_URL}/mcp`, sub });
    shown.push(token);
    return token;
  }

  async function connected(t: TestContext, token: string): Promise<RawClient> {
    const client = new RawClient(gateway.mcpUrl, { headers: { authorization: `Bearer ${token}` } });
    t.after(() => client.close());
    await client.initialize();
    return client;
  }

  const call = (client: RawClient, text = 'hi') => client.callTool('docs__echo', { text });
  const works = (client: RawClient) =>
    until(async () => (await call(client)).text.includes('"hi"'), { what: 'the call to work' });
  const failure = async (client: RawClient) => {
    const { error } = (await call(client)).message ?? {};
    assert.ok(error !== undefined && error.code !== -32042, JSON.stringify(error));
    return error.message;
  };
  /** Whose token the last call with this text came with. */
  const callerOf = (text: string) => {
    const last = server.seen.findLast(({ body }) => body.includes(JSON.stringify(text)));
    return exchange.subjectOf(last?.headers.authorization);
  };

  it('is called with what each caller’s own was exchanged for, once for all calls', async (t) => {
    const [ann, bob] = [await tokenOf('ann'), await tokenOf('bob')];
    const [ofAnn, ofBob] = [await connected(t, ann), await connected(t, bob)];
    await works(ofAnn);
    await works(ofBob);
    await Promise.all(
      Array.from({ length: 8 }, async (_, at) => {
        const [client, name] = at % 2 === 0 ? [ofAnn, 'ann'] : [ofBob, 'bob'];
        const text = `${name}-${at}`;
        assert.ok((await call(client, text)).text.includes(text));
        assert.equal(callerOf(text), name);
      }),
    );
    assert.deepEqual(exchange.forms.map((form) => form.get('subject_token')).sort(), [ann, bob].sort());
    const form = exchange.forms.find((each) => each.get('subject_token') === ann);
    assert.deepEqual(Object.fromEntries(form ?? []), {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: ann,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      audience: 'api://docs',
      scope: 'mcp:use',
    });
    const modern = new ModernClient(gateway.mcpUrl, { headers: { authorization: `Bearer ${bob}` } });
    t.after(() => modern.raw.close());
    assert.match((await modern.callTool('docs__echo', { text: 'modern' })).text, /modern/);
    assert.equal(callerOf('modern'), 'bob');
    assert.equal(exchange.forms.length, 2);
  });

  it('is shown without the secret, and logged in to by nobody', async () => {
    const docs = { server: { name: 'docs' } };
    const { server: shownServer } = await manage('GetMcpServer', docs);
    assert.deepEqual(shownServer.oauth, {
      grant: 'GRANT_TOKEN_EXCHANGE',
      clientId: 'dragon',
      clientSecretSet: true,
      tokenEndpointAuthMethod: 'AUTH_METHOD_CLIENT_SECRET_BASIC',
      scopes: ['mcp:use'],
      issuer: exchange.url,
      audience: 'api://docs',
    });
    assert.match(JSON.stringify(await ask('LoginMcpServer', docs)), /Nobody need log in/);
    assert.equal((await manage('GetLoginStatusForMcpServer', docs)).state, 'STATE_NOT_REQUIRED');
    const { issuer: _, ...without } = grant();
    const { body } = await ask('CreateMcpServer', { name: 'x', url: server.url, oauth: without });
    assert.match(JSON.stringify(body), /oauth.issuer: name the one authorization server/);
  });

  it('says what is needed to who has no token to exchange', async (t) => {
    const { key } = await manage('CreateApiKey', { name: 'k', userId: 'cat' });
    const client = await connected(t, key);
    const message = await failure(client);
    assert.match(message, /Server "docs" takes a token that its caller's own is exchanged for/);
    assert.match(message, /call with an access token \(JWT\)/);
    // Nor is one known that was shown elsewhere than at the MCP port.
    const report = await manage('TestMcpServer', { server: { name: 'docs' } }, await tokenOf('cat'));
    assert.match(JSON.stringify(report), /takes a token that its caller's own is exchanged for/);
    await connected(t, await tokenOf('cat'));
    await works(client);
    assert.equal(callerOf('hi'), 'cat');
  });

  it('is called with the next before the last ends, and where it refuses the last', async (t) => {
    exchange.tokenSeconds = 4;
    const client = await connected(t, await tokenOf('dan'));
    await works(client);
    const before = exchange.forms.length;
    exchange.tokenSeconds = 3600;
    await until(async () => (await call(client)).text.includes('"hi"') && exchange.forms.length > before, {
      what: 'the next',
    });
    assert.equal(refusals, 0);
    exchange.forgetTokens();
    assert.ok((await call(client)).text.includes('"hi"'));
  });

  it('fails by one clear error where the exchange is refused, and is not asked for with each call', async (t) => {
    const token = await tokenOf('eve');
    const client = await connected(t, token);
    await works(client);
    exchange.refusal = 'invalid_target';
    // Each for oneself.
    await manage('LogoutMcpServer', { server: { name: 'docs' } }, token);
    const asked = () => exchange.forms.filter((form) => form.get('subject_token') === token).length;
    const before = asked();
    for (let count = 0; count < 4; count++)
      assert.match(await failure(client), /"docs" gives the gateway no token: .* refused: invalid_target/);
    assert.equal(asked(), before + 1);
    exchange.refusal = undefined;
    await manage('LogoutMcpServer', { server: { name: 'docs' } }, token);
    await works(client);
  });

  it('has nobody’s token sent to an authorization server that the operator has not named', async (t) => {
    const other = await ExchangeServer.start('dragon', CLIENT_SECRET);
    t.after(() => other.close());
    const token = await tokenOf('fay');
    const oauth = grant({ issuer: other.url });
    await manage('CreateMcpServer', { name: 'other', url: server.url, oauth }, token);
    const client = await connected(t, token);
    const { message } = (await client.callTool('other__echo', { text: 'x' })).message?.error ?? {};
    assert.match(message ?? '', /DRAGON_TOKEN_EXCHANGE_ISSUERS says where they may/);
    assert.equal(other.requests, 0);
    await manage('CreateMcpServer', { name: 'own', url: server.url, oauth: grant() }, token);
    await until(async () => (await client.callTool('own__echo', { text: 'y' })).text.includes('"y"'), {
      what: 'a server of one’s own to work',
    });
    // Whom it is for, and what it may do, is as the server says.
    const form = exchange.forms.find((each) => each.get('subject_token') === token && !each.has('audience'));
    assert.deepEqual(
      ['subject_token', 'audience', 'resource', 'scope'].map((name) => form?.get(name)),
      [token, null, server.url, 'mcp:use'],
    );
  });

  it('never has a caller’s own token, which is in no log and not stored', async () => {
    const secrets = [...shown, ...exchange.given, CLIENT_SECRET];
    assert.ok(shown.length > 4 && exchange.given.length > 4);
    for (const { headers, body } of server.seen)
      for (const token of shown) assert.ok(!JSON.stringify([headers, body]).includes(token));
    for (const secret of secrets) assert.ok(!gateway.output.includes(secret));
    let files = 0;
    for (const entry of await readdir(gateway.dataDir, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      files++;
      const bytes = await readFile(join(entry.parentPath, entry.name)).catch(() => Buffer.alloc(0));
      for (const secret of secrets) assert.ok(!bytes.includes(secret), entry.name);
    }
    assert.ok(files > 10, String(files));
  });
});
