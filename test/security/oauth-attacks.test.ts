import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../support/browser.ts';
import type { Gateway } from '../support/gateway.ts';
import { DOCS, LoginSetup } from '../support/login-setup.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const isCallback = (url: string) => new URL(url).pathname === '/oauth/callback';

describe('what a browser brings back', { timeout: 120_000 }, () => {
  let setup: LoginSetup;

  before(async () => {
    setup = await LoginSetup.start();
    await setup.gateway.addServer({ name: 'docs', url: setup.server.url });
  });

  after(() => setup?.stop());

  /** A browser that has logged in, and the address it was about to go back to. */
  async function almostBack() {
    const browser = new Browser();
    const { url } = await browser.open(await setup.loginUrl(), isCallback);
    return { browser, url };
  }

  const codes = () => setup.provider.grants('authorization_code').length;

  it('counts once', async () => {
    const { browser, url } = await almostBack();
    assert.match((await browser.open(url)).text, /You are logged in/);
    const asked = codes();
    const again = await browser.open(url);
    assert.deepEqual([again.status, codes()], [404, asked]);
    assert.match(again.text, /This log-in is over/);
  });

  it('counts in the browser that began it alone', async () => {
    const { browser, url } = await almostBack();
    const asked = codes();
    const other = await new Browser().open(url);
    assert.deepEqual([other.status, codes()], [403, asked]);
    assert.match(other.text, /begun in another browser/);
    // Nor does it count any more where it was begun.
    assert.equal((await browser.open(url)).status, 404);
  });

  it('has to be of the issuer that was asked, errors included', async () => {
    for (const change of [
      (url: URL) => url.searchParams.set('iss', 'https://elsewhere.example'),
      (url: URL) => url.searchParams.set('iss', `${setup.provider.issuer}/`),
      (url: URL) => url.searchParams.delete('iss'),
      (url: URL) => {
        url.searchParams.delete('iss');
        url.searchParams.delete('code');
        url.searchParams.set('error', 'access_denied');
      },
    ]) {
      const { browser, url } = await almostBack();
      const asked = codes();
      const changed = new URL(url);
      change(changed);
      const page = await browser.open(changed.href);
      assert.deepEqual([page.status, codes()], [400, asked], changed.search);
      assert.match(page.text, /not one of the authorization server that was asked/);
    }
  });

  it('may say no, which changes nothing', async (t) => {
    setup.provider.isRefusing = true;
    t.after(() => {
      setup.provider.isRefusing = false;
    });
    await setup.gateway.manage('LogoutMcpServer', DOCS);
    const page = await new Browser().open(await setup.loginUrl());
    assert.equal(page.status, 403);
    assert.match(page.text, /The log-in was refused/);
    assert.equal(await setup.state(), 'STATE_LOGGED_OUT');
  });

  it('is shown to nobody as it came, and leads nowhere', async () => {
    const { origin } = new URL(setup.gateway.mcpUrl);
    const script = '<script>alert(1)</script>';
    const query = new URLSearchParams({
      state: script,
      error: script,
      error_description: script,
      redirect_uri: 'https://elsewhere.example',
      url: 'https://elsewhere.example',
    });
    for (const path of [
      `/oauth/callback?${query}`,
      '/oauth/callback',
      `/oauth/login/${encodeURIComponent(script)}?${query}`,
    ]) {
      const response = await fetch(origin + path, { redirect: 'manual' });
      const text = await response.text();
      assert.equal(response.status, 404, path);
      assert.equal(response.headers.get('location'), null);
      assert.ok(!text.includes('<script') && !text.includes('elsewhere'), text);
      const policy = response.headers.get('content-security-policy') ?? '';
      assert.match(policy, /default-src 'none'.*frame-ancestors 'none'/);
      assert.deepEqual(
        ['cache-control', 'referrer-policy', 'x-content-type-options'].map((name) =>
          response.headers.get(name),
        ),
        ['no-store', 'no-referrer', 'nosniff'],
      );
    }
    // A name that somebody else has lead here is none of ours.
    const foreign = request(`${origin}/oauth/callback`, { headers: { host: 'elsewhere.example' } });
    const [answer] = (await once(foreign.end(), 'response')) as [IncomingMessage];
    answer.resume();
    assert.equal(answer.statusCode, 403);
  });

  it('is kept sealed, and written into no log', async (t) => {
    const { gateway, server } = setup;
    await new Browser().open(await setup.loginUrl());
    const client = new RawClient(gateway.mcpUrl);
    t.after(() => client.close());
    await client.initialize();
    const call = () => client.callTool('docs__echo', { text: 'hi' });
    await until(async () => (await call()).text.includes('"text":"hi"'), { what: 'the call to work' });
    const access = server.token;
    const code = setup.provider.grants('authorization_code').at(-1)?.form;
    const secrets = [access, code?.get('code') ?? '', code?.get('code_verifier') ?? ''];
    assert.ok(secrets.every((secret) => secret.length > 20));
    // Once it is renewed the refresh token, too, is known.
    await (await setup.provider.provider.AccessToken.find(access))?.destroy();
    assert.match((await call()).text, /"text":"hi"/);
    secrets.push(setup.provider.grants('refresh_token').at(-1)?.form.get('refresh_token') ?? '');
    assert.ok(secrets.every((secret) => secret.length > 20));
    for (const secret of secrets) assert.ok(!gateway.output.includes(secret));
    let hasServer = false;
    for (const entry of await readdir(gateway.dataDir, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const content = await readFile(join(entry.parentPath, entry.name)).catch(() => Buffer.alloc(0));
      hasServer ||= content.includes(server.url);
      for (const secret of secrets) assert.ok(!content.includes(secret), entry.name);
    }
    assert.ok(hasServer, 'rows are read where they are looked for');
  });

  it('is exchanged for no token that would end its header', async (t) => {
    const { browser, url } = await almostBack();
    t.after(() => {
      setup.provider.intercept = () => false;
    });
    setup.provider.intercept = ({ path }, response) => {
      if (path !== '/token') return false;
      const token = { access_token: 'a\r\nx-two: b', token_type: 'bearer' };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(token));
      return true;
    };
    const page = await browser.open(url);
    assert.equal(page.status, 400);
    assert.match(page.text, /a token that no header can carry/);
  });

  it('is sent to no other address that the server is said to have later', async (t) => {
    const { gateway, server, backend } = setup;
    await new Browser().open(await setup.loginUrl());
    const changes = { url: backend.url };
    await gateway.manage('UpdateMcpServer', { ...DOCS, changes });
    t.after(() => gateway.manage('UpdateMcpServer', { ...DOCS, changes: { url: server.url } }));
    await gateway.manage('RefreshMcpServer', DOCS);
    assert.ok(backend.seen.length > 0);
    assert.equal(backend.last('initialize')?.headers.authorization, undefined);
    assert.notEqual(await setup.state(), 'STATE_LOGGED_IN');
  });
});

describe('an authorization server that a server names', { timeout: 120_000 }, () => {
  it('is asked only where connections are allowed to go', async (t) => {
    const setup = await LoginSetup.start({ env: { DRAGON_ALLOWED_NETWORKS: 'loopback' } });
    t.after(() => setup.stop());
    await setup.gateway.addServer({ name: 'docs', url: setup.server.url });
    for (const [issuer, problem] of [
      ['https://10.1.2.3', /private network.*DRAGON_ALLOWED_NETWORKS/],
      ['https://169.254.169.254/x', /metadata service/],
      ['http://example.com', /Log-ins need https/],
    ] as const) {
      setup.server.authorizationServer = issuer;
      await assert.rejects(setup.loginUrl(), problem, issuer);
    }
  });

  it('has to protect log-ins with PKCE', async (t) => {
    const http = createServer((_request, response) => {
      const metadata = {
        issuer,
        authorization_endpoint: `${issuer}/authorize`,
        token_endpoint: `${issuer}/token`,
        registration_endpoint: `${issuer}/register`,
        code_challenge_methods_supported: ['plain'],
      };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(metadata));
    });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    t.after(() => http.close());
    const issuer = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    const setup = await LoginSetup.start();
    t.after(() => setup.stop());
    await setup.gateway.addServer({ name: 'docs', url: setup.server.url });
    setup.server.authorizationServer = issuer;
    await assert.rejects(setup.loginUrl(), /does not say that it protects log-ins with PKCE/);
  });
});

describe('a log-in where the gateway has users', { timeout: 120_000 }, () => {
  const KEY = 'a-key-of-the-operators-own-choice';

  it('names the user, and goes on from its own page alone', async (t) => {
    const setup = await LoginSetup.start({
      env: {
        DRAGON_AUTH: 'api-key',
        DRAGON_ADMIN_API_KEY: KEY,
        DRAGON_HOST: '127.0.0.1',
        DRAGON_ALLOWED_NETWORKS: 'loopback',
      },
    });
    t.after(() => setup.stop());
    const url = await begin(setup, { authorization: `Bearer ${KEY}` });
    const browser = new Browser();
    const page = await browser.open(url);
    assert.equal(page.url, url);
    assert.match(page.text, /local.*docs/s);
    assert.match(page.headers.getSetCookie().join(), /HttpOnly.*SameSite=Lax/);

    const from = setup.provider.seen.length;
    const forged = await new Browser().submit(page);
    assert.equal(forged.status, 403);
    const withoutProof = await browser.submit({ ...page, text: '' });
    assert.equal(withoutProof.status, 403);
    const proof = /name="proof" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
    assert.equal(proof.length, 43);
    const wrong = await browser.submit({ ...page, text: page.text.replace(proof, 'A'.repeat(43)) });
    assert.equal(wrong.status, 403);
    const fromElsewhere = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        'sec-fetch-site': 'cross-site',
        cookie: page.headers
          .getSetCookie()
          .map((cookie) => cookie.split(';')[0])
          .join('; '),
      },
      body: new URLSearchParams({ proof }).toString(),
      redirect: 'manual',
    });
    assert.equal(fromElsewhere.status, 403);
    assert.equal(setup.provider.seen.length, from);
    assert.match((await browser.submit(page)).text, /You are logged in/);
  });

  it('is for the user whom the proxy in front knows', async (t) => {
    const setup = await LoginSetup.start({
      env: {
        DRAGON_AUTH: 'proxy',
        DRAGON_PROXY_ADDRESSES: '127.0.0.1',
        DRAGON_HOST: '127.0.0.1',
        DRAGON_ALLOWED_NETWORKS: 'loopback',
      },
    });
    t.after(() => setup.stop());
    const ann = { 'x-forwarded-user': 'ann' };
    const url = await begin(setup, ann);
    assert.equal((await new Browser({ 'x-forwarded-user': 'bob' }).open(url)).status, 403);
    assert.equal((await new Browser().open(url)).status, 401);
    const browser = new Browser(ann);
    assert.match((await browser.submit(await browser.open(url))).text, /You are logged in/);
  });

  /** As one of its users. */
  async function begin({ gateway, server }: LoginSetup, headers: Record<string, string>): Promise<string> {
    const call = (method: string, body: unknown) => manageAs(gateway, headers, method, body);
    await call('CreateMcpServer', { name: 'docs', url: server.url });
    return String((await call('LoginMcpServer', DOCS))['url']);
  }

  async function manageAs(
    gateway: Gateway,
    headers: Record<string, string>,
    method: string,
    body: unknown,
  ): Promise<Record<string, unknown>> {
    const response = await fetch(`${gateway.grpcUrl}/dragon.turnstile.api.v1.TurnstileService/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
    const answer = await response.text();
    assert.equal(response.status, 200, answer);
    return JSON.parse(answer);
  }
});
