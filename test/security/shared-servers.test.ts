import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { Browser } from '../support/browser.ts';
import { CountingServer } from '../support/counting-http.ts';
import { listNames } from '../support/lists.ts';
import { LoginSetup } from '../support/login-setup.ts';
import { ModernClient } from '../support/modern-client.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

interface Someone {
  readonly user: string;
  readonly tenant?: string;
  readonly roles?: string;
}

const BOSS: Someone = { user: 'boss', roles: 'chief' };
const CHIEF: Someone = { user: 'chief', roles: 'chief' };
const BOB: Someone = { user: 'bob' };
const CAT: Someone = { user: 'cat', roles: 'crew' };
const STRANGER: Someone = { user: 'bob', tenant: 'other', roles: 'crew' };

const SECRET = 'a-secret-that-nobody-sees';

function headersOf({ user, tenant = 'acme', roles = '' }: Someone): Record<string, string> {
  return { 'x-forwarded-user': user, 'x-forwarded-tenant': tenant, 'x-forwarded-groups': roles };
}

describe('servers that an admin shares', { timeout: 120_000 }, () => {
  let setup: LoginSetup;
  let crew: CountingServer;
  let ids: Record<'tools' | 'crew' | 'docs', string>;

  before(async () => {
    crew = await CountingServer.start();
    setup = await LoginSetup.start({
      env: {
        DRAGON_AUTH: 'proxy',
        DRAGON_HOST: '127.0.0.1',
        DRAGON_PROXY_ADDRESSES: '127.0.0.1',
        DRAGON_PROXY_ADMIN_ROLES: 'chief',
        DRAGON_ALLOWED_NETWORKS: 'loopback',
        DRAGON_PROBE_INTERVAL_MS: '0',
      },
    });
    const share = async (name: string, url: string, sharedWith: object) => {
      const headers = name === 'docs' ? {} : { 'x-secret': SECRET };
      const { status, json } = await ask(BOSS, 'CreateMcpServer', { name, url, headers, sharedWith });
      assert.equal(status, 200, JSON.stringify(json));
      return json.server.id as string;
    };
    ids = {
      tools: await share('tools', `${setup.backend.url}?key=${SECRET}`, { tenant: true }),
      crew: await share('crew', crew.url, { roles: ['crew'] }),
      docs: await share('docs', setup.server.url, { tenant: true }),
    };
  });

  after(async () => {
    await setup?.stop();
    await crew?.close();
  });

  async function ask(who: Someone, method: string, body: object) {
    const response = await fetch(
      `${setup.gateway.grpcUrl}/dragon.turnstile.api.v1.TurnstileService/${method}`,
      {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headersOf(who) },
        body: JSON.stringify(body),
      },
    );
    const text = await response.text();
    return { status: response.status, text, json: JSON.parse(text) };
  }

  const namesOf = async (who: Someone) => {
    const { servers = [] } = (await ask(who, 'ListMcpServers', {})).json;
    return servers.map(({ name }: { name: string }) => name);
  };

  async function client(t: TestContext, who: Someone): Promise<RawClient> {
    const made = new RawClient(setup.gateway.mcpUrl, { headers: headersOf(who) });
    t.after(() => made.close());
    await made.initialize();
    return made;
  }

  it('are there for those they are shared with, and for nobody else', async (t) => {
    assert.deepEqual(await namesOf(BOSS), ['tools', 'crew', 'docs']);
    assert.deepEqual(await namesOf(CHIEF), ['tools', 'crew', 'docs']);
    assert.deepEqual(await namesOf(BOB), ['tools', 'docs']);
    assert.deepEqual(await namesOf(CAT), ['tools', 'crew', 'docs']);
    assert.deepEqual(await namesOf(STRANGER), []);
    const bob = await client(t, BOB);
    const cat = await client(t, CAT);
    const stranger = await client(t, STRANGER);
    assert.deepEqual(only(await listNames(bob)), ['tools__echo']);
    assert.deepEqual(only(await listNames(cat)), ['crew__echo', 'tools__echo']);
    assert.deepEqual(only(await listNames(stranger)), []);
    // Whoever comes with fewer roles has less, also as the same user.
    assert.deepEqual(only(await listNames(await client(t, { ...CAT, roles: '' }))), ['tools__echo']);

    assert.match((await bob.callTool('tools__echo', { text: 'from bob' })).text, /from bob/);
    assert.equal(setup.backend.last('tools/call')?.headers['x-secret'], SECRET);
    assert.match((await cat.callTool('crew__echo', { text: 'from cat' })).text, /from cat/);
    const modern = new ModernClient(setup.gateway.mcpUrl, { headers: headersOf(CAT) });
    t.after(() => modern.close());
    assert.match((await modern.callTool('crew__echo', { text: 'modern cat' })).text, /modern cat/);
    const before = crew.seen.length;
    for (const one of [bob, stranger]) {
      const theirs = await one.callTool('crew__echo', { text: 'x' });
      const never = await one.callTool('nope__echo', { text: 'x' });
      assert.equal(bare(theirs.text).replaceAll('crew', 'nope'), bare(never.text));
    }
    assert.equal(crew.seen.length, before, 'it has heard of none of it');
  });

  it('are shown without secrets, and changed by admins alone', async () => {
    for (const [name, id] of Object.entries(ids)) {
      for (const who of name === 'crew' ? [CAT] : [BOB, CAT]) {
        const shown = await ask(who, 'GetMcpServer', { server: { id } });
        assert.equal(shown.json.server.sharedBy, 'boss');
        assert.doesNotMatch(shown.text, /a-secret|x-secret|\?/);
        for (const [method, body] of [
          ['UpdateMcpServer', { changes: { enabled: false }, updateMask: 'enabled' }],
          ['UpdateMcpServer', { changes: {}, updateMask: 'sharedWith' }],
          ['DeleteMcpServer', {}],
        ] as const)
          assert.equal(
            (await ask(who, method, { server: { id }, ...body })).status,
            403,
            `${method} ${name}`,
          );
      }
    }
    const docs = { server: { name: 'docs' }, clientId: 'mine' };
    assert.equal((await ask(BOB, 'LoginMcpServer', docs)).status, 403);
    const own = { name: 'own', url: crew.url, sharedWith: { tenant: true } };
    assert.equal((await ask(BOB, 'CreateMcpServer', own)).status, 403);
    // Nor may what is the user's own be shared afterwards.
    assert.equal((await ask(BOB, 'CreateMcpServer', { name: 'own', url: crew.url })).status, 200);
    const shared = { changes: { sharedWith: { tenant: true } }, updateMask: 'sharedWith' };
    assert.equal((await ask(BOB, 'UpdateMcpServer', { server: { name: 'own' }, ...shared })).status, 403);
    assert.equal((await ask(BOB, 'DeleteMcpServer', { server: { name: 'own' } })).status, 200);
    for (const sharedWith of [{}, { tenant: true, roles: ['x'] }, { roles: ['admin'] }, { roles: [''] }])
      assert.equal((await ask(BOSS, 'CreateMcpServer', { ...own, sharedWith })).status, 400);
    // Another admin may.
    const changes = { changes: { toolPrefix: 'all' }, updateMask: 'toolPrefix' };
    const changed = await ask(CHIEF, 'UpdateMcpServer', { server: { id: ids.crew }, ...changes });
    assert.deepEqual([changed.json.server.toolPrefix, changed.json.server.sharedBy], ['all', 'boss']);
    const back = { changes: {}, updateMask: 'toolPrefix' };
    assert.equal((await ask(CHIEF, 'UpdateMcpServer', { server: { id: ids.crew }, ...back })).status, 200);
  });

  it('look to all others as if they had never been', async () => {
    const never = '0190163d-8694-739b-aea5-966c26f8ad91';
    const methods = [
      'GetMcpServer',
      'TestMcpServer',
      'RefreshMcpServer',
      'ListTools',
      'UpdateMcpServer',
      'DeleteMcpServer',
      'LoginMcpServer',
      'GetLoginStatusForMcpServer',
      'LogoutMcpServer',
    ];
    for (const [who, names] of [
      [BOB, ['crew']],
      [STRANGER, ['tools', 'crew', 'docs']],
    ] as const) {
      for (const name of names) {
        for (const method of methods) {
          const theirs = await ask(who, method, { server: { id: ids[name] } });
          const unknown = await ask(who, method, { server: { id: never } });
          assert.deepEqual([theirs.status, theirs.text.replaceAll(ids[name], never)], [404, unknown.text]);
          const byName = await ask(who, method, { server: { name } });
          assert.deepEqual([byName.status, byName.json.code], [404, 'not_found'], `${method} ${name}`);
        }
      }
    }
  });

  it('are logged in to by each for themselves', async (t) => {
    const login = async (who: Someone) => {
      const { json } = await ask(who, 'LoginMcpServer', { server: { name: 'docs' } });
      const browser = new Browser(headersOf(who));
      return { browser, page: await browser.open(json.url) };
    };
    const state = async (who: Someone) =>
      (await ask(who, 'GetLoginStatusForMcpServer', { server: { name: 'docs' } })).json.state;
    const bob = await client(t, BOB);
    const cat = await client(t, CAT);
    const { browser, page } = await login(BOB);
    assert.match((await browser.submit(page)).text, /You are logged in/);
    await until(async () => (await listNames(bob)).includes('docs__echo'), { what: 'the tools' });
    assert.match((await bob.callTool('docs__echo', { text: 'bob is in' })).text, /bob is in/);
    assert.deepEqual(
      [await state(BOB), await state(CAT), await state(BOSS)],
      ['STATE_LOGGED_IN', 'STATE_LOGGED_OUT', 'STATE_NOT_REQUIRED'],
      'nobody has asked the server as the boss',
    );
    const ofBob = setup.server.token;
    assert.ok(!(await listNames(cat)).includes('docs__echo'));
    const again = await login(CAT);
    assert.match((await again.browser.submit(again.page)).text, /You are logged in/);
    await until(async () => (await listNames(cat)).includes('docs__echo'), { what: 'the tools' });
    await cat.callTool('docs__echo', { text: 'cat' });
    assert.notEqual(setup.server.token, ofBob);
    assert.match((await bob.callTool('docs__echo', { text: 'bob' })).text, /bob/);
    assert.equal(setup.server.token, ofBob);
    await ask(CAT, 'LogoutMcpServer', { server: { name: 'docs' } });
    assert.match((await cat.callTool('docs__echo', { text: 'x' })).text, /oauth\/login/);
    assert.match((await bob.callTool('docs__echo', { text: 'still' })).text, /still/);
    const clients = setup.provider.seen.filter(({ path }) => path === '/reg');
    assert.equal(clients.length, 1, 'the gateway is one client for all');
  });

  it('give way to one’s own of the same name, and are gone when they are shared no more', async (t) => {
    const bob = await client(t, BOB);
    const own = await ask(BOB, 'CreateMcpServer', { name: 'tools', url: crew.url });
    assert.equal(own.status, 200);
    const shown = await ask(BOB, 'GetMcpServer', { server: { name: 'tools' } });
    assert.equal(shown.json.server.id, own.json.server.id);
    const before = setup.backend.seen.length;
    await until(async () => (await bob.callTool('tools__echo', { text: 'own' })).status === 200, {
      what: 'it',
    });
    await until(() => crew.last('tools/call')?.body.includes('own') === true, { what: 'the call to come' });
    assert.ok(!setup.backend.seen.slice(before).some(({ message }) => message?.method === 'tools/call'));
    await ask(BOB, 'DeleteMcpServer', { server: { id: own.json.server.id } });
    await until(async () => only(await listNames(bob)).includes('tools__echo'), { what: 'the shared one' });
    await bob.callTool('tools__echo', { text: 'shared again' });
    assert.match(setup.backend.last('tools/call')?.body ?? '', /shared again/);

    const narrowed = { changes: { sharedWith: { roles: ['crew'] } }, updateMask: 'sharedWith' };
    assert.equal(
      (await ask(BOSS, 'UpdateMcpServer', { server: { id: ids.tools }, ...narrowed })).status,
      200,
    );
    await until(async () => !only(await listNames(bob)).includes('tools__echo'), { what: 'it to go' });
    const calls = () => setup.backend.seen.filter(({ message }) => message?.method === 'tools/call').length;
    const seen = calls();
    assert.match((await bob.callTool('tools__echo', { text: 'x' })).text, /Unknown tool|not found/i);
    assert.equal(calls(), seen);
    assert.deepEqual(await namesOf(BOB), ['docs']);
    await ask(CHIEF, 'DeleteMcpServer', { server: { id: ids.tools } });
    assert.deepEqual(await namesOf(CAT), ['crew', 'docs']);
  });

  it('end with the log-ins of all', async () => {
    const { provider, server } = setup;
    const ofBob = server.token;
    assert.equal(await provider.whose(ofBob), 'ann');
    assert.equal((await ask(CHIEF, 'DeleteMcpServer', { server: { id: ids.docs } })).status, 200);
    await until(async () => (await provider.whose(ofBob)) === undefined, { what: 'the token to be revoked' });
    assert.deepEqual(await namesOf(BOB), []);
  });

  it('have one token for all where the gateway gets it by itself, which admins alone end', async (t) => {
    const { provider, server } = setup;
    const { client_id: clientId, client_secret: clientSecret = '' } = await provider.registerOwn();
    const oauth = { grant: 'GRANT_CLIENT_CREDENTIALS', clientId, clientSecret };
    const made = { name: 'own', url: server.url, oauth, sharedWith: { tenant: true } };
    assert.equal((await ask(BOSS, 'CreateMcpServer', made)).status, 200);
    for (const who of [BOB, CAT]) {
      const someone = await client(t, who);
      await until(async () => (await listNames(someone)).includes('own__echo'), { what: 'the tools' });
      assert.match((await someone.callTool('own__echo', { text: who.user })).text, new RegExp(who.user));
      const shown = await ask(who, 'GetMcpServer', { server: { name: 'own' } });
      assert.equal(shown.json.server.oauth, undefined);
      assert.equal((await ask(who, 'LogoutMcpServer', { server: { name: 'own' } })).status, 403);
    }
    assert.equal(provider.grants('client_credentials').length, 1);
    const { token } = server;
    const { json } = await ask(CHIEF, 'LogoutMcpServer', { server: { name: 'own' } });
    assert.deepEqual(json, { revoked: true });
    assert.equal(await provider.find(token), undefined);
    const bob = await client(t, BOB);
    assert.match((await bob.callTool('own__echo', { text: 'again' })).text, /again/);
    assert.equal(provider.grants('client_credentials').length, 2);
  });
});

/** One of each server. */
function only(names: readonly string[]): readonly string[] {
  return names.filter((name) => name.endsWith('__echo')).sort();
}

function bare(text: string): string {
  return text.replace(/"id":\d+/g, '');
}
