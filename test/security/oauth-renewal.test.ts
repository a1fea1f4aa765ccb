import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Browser } from '../support/browser.ts';
import { DOCS, LoginSetup } from '../support/login-setup.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

describe('a log-in that ends', { timeout: 120_000 }, () => {
  let setup: LoginSetup;
  let client: RawClient;

  before(async () => {
    setup = await LoginSetup.start();
    await setup.gateway.addServer({ name: 'docs', url: setup.server.url });
    client = new RawClient(setup.gateway.mcpUrl);
    await client.initialize();
  });

  after(async () => {
    client?.close();
    await setup?.stop();
  });

  beforeEach(() => {
    setup.provider.intercept = () => false;
    setup.provider.tokenSeconds = 3600;
  });

  const call = () => client.callTool('docs__echo', { text: 'hi' });
  const works = async () => (await call()).text.includes('"text":"hi"');
  const renewals = () => setup.provider.grants('refresh_token').length;

  async function logIn(): Promise<void> {
    await new Browser().open(await setup.loginUrl());
    await until(works, { what: 'the call to work' });
  }

  /** The gateway does not know. What else it asks the server meanwhile is renewed, too, or with it. */
  const endToken = () => setup.server.endToken();

  it('is renewed before its time, and no request is refused', async () => {
    setup.provider.tokenSeconds = 4;
    await logIn();
    const [before, from] = [renewals(), setup.server.seen.length];
    await until(async () => (await works()) && renewals() > before, { what: 'the token to be renewed' });
    assert.ok(setup.server.seen.slice(from).every(({ status }) => status === 'passed'));
  });

  it('is renewed where the server refuses it, and the request is sent once more', async () => {
    await logIn();
    const first = setup.server.token;
    const [before, from] = [renewals(), setup.server.seen.length];
    await endToken();
    assert.ok(await works());
    assert.equal(renewals(), before + 1);
    const seen = setup.server.seen.slice(from);
    assert.ok(
      seen.some(({ status, authorization }) => status === 401 && authorization === `Bearer ${first}`),
    );
    const run = seen.filter(({ status, method }) => status === 'passed' && method === 'tools/call');
    assert.equal(run.length, 1);
    assert.notEqual(setup.server.token, first);
    // The token that replaced the refresh token is the one that is used next.
    await endToken();
    assert.ok(await works());
  });

  it('that can not be renewed sends nothing, and says so', async (t) => {
    await logIn();
    await endToken();
    setup.provider.intercept = ({ path }, response) => {
      if (path !== '/token') return false;
      response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"invalid_grant"}');
      return true;
    };
    const from = setup.server.seen.length;
    const error = (await call()).message?.error;
    assert.match(error?.message ?? '', /needs a new log-in.*\/oauth\/login\//);
    assert.equal(await setup.state(), 'STATE_EXPIRED');
    // Nor does the next, though the server would take it from nobody in particular.
    setup.server.isOpen = true;
    t.after(() => {
      setup.server.isOpen = false;
    });
    assert.match((await call()).message?.error?.message ?? '', /needs a new log-in/);
    const sent = setup.server.seen.slice(from);
    assert.ok(!sent.some(({ status, method }) => status === 'passed' && method === 'tools/call'));
    assert.ok(sent.every(({ authorization, method }) => authorization !== undefined || method === 'ping'));
    setup.server.isOpen = false;
    setup.provider.intercept = () => false;
    await logIn();
    assert.equal(await setup.state(), 'STATE_LOGGED_IN');
  });

  it('that can not be renewed now sends nothing, and is renewed later', async () => {
    await logIn();
    await endToken();
    setup.provider.intercept = ({ path }, response) => {
      if (path !== '/token') return false;
      response.writeHead(503).end();
      return true;
    };
    const from = setup.server.seen.length;
    const error = (await call()).message?.error;
    assert.match(error?.message ?? '', /could not be renewed/);
    assert.ok(setup.server.seen.slice(from).every(({ status }) => status === 401));
    assert.equal(await setup.state(), 'STATE_LOGGED_IN');
    setup.provider.intercept = () => false;
    assert.ok(await works());
  });

  it('is renewed once for all calls that come at a time', async () => {
    await logIn();
    await endToken();
    const before = renewals();
    const answers = await Promise.all(Array.from({ length: 8 }, call));
    assert.ok(answers.every(({ text }) => text.includes('"text":"hi"')));
    assert.equal(renewals(), before + 1);
  });

  it('is renewed once, and not for each call, where the server takes no token at all', async () => {
    await logIn();
    const before = renewals();
    setup.server.isRejecting = true;
    for (let count = 0; count < 5; count++) assert.match((await call()).text, /does not accept its log-in/);
    assert.equal(renewals(), before + 1);
    setup.server.isRejecting = false;
    await until(works, { what: 'the call to work, with the token that there is' });
    assert.equal(renewals(), before + 1);
    // What is logged in anew is renewed as ever.
    await logIn();
    await endToken();
    assert.ok(await works());
  });

  it('is begun anew, once, where the authorization server has forgotten the gateway', async () => {
    const browser = new Browser();
    const url = await setup.loginUrl();
    const { url: back } = await browser.open(url, (to) => new URL(to).pathname === '/oauth/callback');
    setup.provider.restart();
    assert.match((await browser.open(back)).text, /You are logged in/);
    await until(works, { what: 'the call to work' });

    setup.provider.intercept = ({ path }, response) => {
      if (path !== '/token') return false;
      response.writeHead(401, { 'content-type': 'application/json' }).end('{"error":"invalid_client"}');
      return true;
    };
    const registered = () => setup.provider.seen.filter(({ path }) => path === '/reg').length;
    const before = registered();
    const page = await new Browser().open(await setup.loginUrl());
    assert.match(page.text, /refused: invalid_client/);
    assert.equal(registered(), before + 1);
  });

  it('can be begun again where the authorization server refuses to know the gateway', async () => {
    await setup.gateway.manage('LogoutMcpServer', DOCS);
    setup.provider.restart();
    const stuck = await new Browser().open(await setup.loginUrl());
    assert.match(stuck.text, /invalid_client/);
    assert.equal(await setup.state(), 'STATE_PENDING');
    assert.match((await new Browser().open(await setup.loginUrl())).text, /You are logged in/);
  });

  it('is made with the client that somebody has registered, and with no other', async () => {
    const registered = await fetch(`${setup.provider.issuer}/reg`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        redirect_uris: [`${new URL(setup.gateway.mcpUrl).origin}/oauth/callback`],
        token_endpoint_auth_method: 'client_secret_basic',
        grant_types: ['authorization_code', 'refresh_token'],
        application_type: 'native',
      }),
    });
    const { client_id: clientId, client_secret: clientSecret } = (await registered.json()) as Record<
      string,
      string
    >;
    const before = setup.provider.seen.filter(({ path }) => path === '/reg').length;
    const own = { ...DOCS, clientId, clientSecret };
    const { url } = await setup.gateway.manage('LoginMcpServer', own);
    assert.match((await new Browser().open(String(url))).text, /You are logged in/);
    const location = await new Browser().open(await setup.loginUrl(), () => true);
    assert.equal(new URL(location.url).searchParams.get('client_id'), clientId);
    await until(works, { what: 'the call to work' });
    await endToken();
    assert.ok(await works());
    assert.equal(setup.provider.seen.filter(({ path }) => path === '/reg').length, before);
    assert.ok(clientSecret !== undefined && !setup.gateway.output.includes(clientSecret));
  });
});
