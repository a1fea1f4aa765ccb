import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import { listNames } from '../support/lists.ts';
import { ModernClient } from '../support/modern-client.ts';
import { RawClient } from '../support/raw-client.ts';

const ADMIN = `an-admin-key-for-this-test-${'x'.repeat(24)}`;
const SERVICE = 'dragon.turnstile.api.v1.TurnstileService';

const inputSchema = { type: 'object' };
const TOOLS = ['look', 'refund', 'wipe'].map((name) => ({ name, inputSchema }));

const POLICY = {
  rules: [
    { effect: 'deny', exceptRoles: ['support'], tools: ['refund'] },
    { effect: 'deny', roles: ['support'], tools: ['wipe'] },
  ],
};

const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

describe('roles of API keys', { timeout: 120_000 }, () => {
  let gateway: Gateway;
  let own: CountingServer;
  let crew: CountingServer;
  /** Of one user: one without roles, one with, and another with the same. */
  let keys: Record<'plain' | 'support' | 'twin', string>;

  before(async () => {
    [own, crew] = await Promise.all([
      CountingServer.start({ name: 'own', tools: TOOLS }),
      CountingServer.start({ name: 'crew', tools: TOOLS }),
    ]);
    gateway = await Gateway.start({
      env: {
        DRAGON_AUTH: 'api-key',
        DRAGON_HOST: '127.0.0.1',
        DRAGON_ADMIN_API_KEY: ADMIN,
        DRAGON_ALLOWED_NETWORKS: 'loopback',
        DRAGON_PROBE_INTERVAL_MS: '0',
        DRAGON_POLICY: JSON.stringify(POLICY),
      },
    });
    const scopes = ['SCOPE_MCP', 'SCOPE_MANAGE'];
    const roles = ['support', 'crew'];
    keys = {
      plain: await keyOf({ scopes }),
      support: await keyOf({ scopes, roles }),
      twin: await keyOf({ roles: [...roles].reverse() }),
    };
    await ok(keys.plain, 'CreateMcpServer', { name: 'own', url: own.url });
    await ok(ADMIN, 'CreateMcpServer', { name: 'crew', url: crew.url, sharedWith: { roles: ['crew'] } });
  });

  after(async () => {
    await gateway?.stop();
    await Promise.all([own?.close(), crew?.close()]);
  });

  async function manage(key: string, method: string, body: object) {
    const response = await fetch(`${gateway.grpcUrl}/${SERVICE}/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...bearer(key) },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, text, json: JSON.parse(text) };
  }

  async function ok(key: string, method: string, body: object) {
    const { status, text, json } = await manage(key, method, body);
    assert.equal(status, 200, text);
    return json;
  }

  const keyOf = async (fields: object): Promise<string> =>
    (await ok(ADMIN, 'CreateApiKey', { name: 'x', userId: 'kim', ...fields })).key;

  async function legacy(t: TestContext, key: string): Promise<RawClient> {
    const client = new RawClient(gateway.mcpUrl, { headers: bearer(key) });
    t.after(() => client.close());
    assert.equal((await client.initialize()).status, 200);
    return client;
  }

  function modern(t: TestContext, key: string): ModernClient {
    const client = new ModernClient(gateway.mcpUrl, { headers: bearer(key) });
    t.after(() => client.raw.close());
    return client;
  }

  const ofServers = (names: readonly string[]) => names.filter((name) => /^(own|crew)__/.test(name)).sort();

  it('show what a role may use to one key, and to another of the same user what it may use without', async (t) => {
    for (const [key, expected] of [
      [keys.plain, ['own__look', 'own__wipe']],
      [keys.support, ['crew__look', 'crew__refund', 'own__look', 'own__refund']],
    ] as const) {
      // The second time its principal is known.
      for (let time = 0; time < 2; time++)
        assert.deepEqual(ofServers(await listNames(await legacy(t, key))), expected);
      const listed = (await modern(t, key).request('tools/list')).message?.result.tools;
      assert.deepEqual(ofServers(listed.map(({ name }: { name: string }) => name)), expected);
    }
    const serversOf = async (key: string) =>
      (await ok(key, 'ListMcpServers', {})).servers.map(({ name }: { name: string }) => name);
    assert.deepEqual(await serversOf(keys.plain), ['own']);
    assert.deepEqual(await serversOf(keys.support), ['own', 'crew']);
    assert.equal((await manage(keys.plain, 'GetMcpServer', { server: { name: 'crew' } })).status, 404);
  });

  it('let one key call what to the other is unknown', async (t) => {
    const heard = () =>
      [own, crew].flatMap(({ seen }) => seen).filter(({ message }) => message?.method === 'tools/call')
        .length;
    for (const [may, mayNot, names] of [
      [keys.support, keys.plain, ['crew__look', 'own__refund']],
      [keys.plain, keys.support, ['own__wipe']],
    ] as const)
      for (const name of names) {
        const answersOf = async (key: string, tool: string) =>
          [await (await legacy(t, key)).callTool(tool, {}), await modern(t, key).callTool(tool)].map(
            ({ status, message }) =>
              JSON.stringify([status, message?.result ?? message?.error]).replaceAll(tool, 'X'),
          );
        const before = heard();
        // As long as the name that it stands for.
        const never = `nope_${name.slice(5)}`;
        assert.deepEqual(await answersOf(mayNot, name), await answersOf(mayNot, never), name);
        assert.equal(heard(), before, name);
        await answersOf(may, name);
        assert.equal(heard(), before + 2, name);
      }
  });

  it('keep a session from every key of other roles', async (t) => {
    for (const [opener, other] of [
      [keys.support, keys.plain],
      [keys.plain, keys.support],
    ] as const) {
      const client = await legacy(t, opener);
      const as = (key: string) => {
        const another = new RawClient(gateway.mcpUrl, { headers: bearer(key) });
        t.after(() => another.close());
        another.sessionId = client.sessionId;
        return another;
      };
      assert.equal((await as(other).request('tools/list')).status, 404);
      assert.equal((await as(other).delete()).status, 404);
      assert.equal((await client.request('tools/list')).status, 200);
      assert.equal((await as(keys.twin).request('ping')).status, opener === keys.support ? 200 : 404);
    }
  });

  it('are given by admins alone, and not got rid of', async () => {
    const status = async (key: string, fields: object) =>
      (await manage(key, 'CreateApiKey', { name: 'y', ...fields })).status;
    assert.equal(await status(keys.plain, {}), 200);
    assert.equal(await status(keys.plain, { roles: ['crew'] }), 403);
    assert.equal(await status(keys.support, { roles: ['crew'] }), 403);
    // It would be denied less.
    assert.equal(await status(keys.support, {}), 403);
    const boss = await keyOf({ scopes: ['SCOPE_MANAGE', 'SCOPE_ADMIN'], roles: ['crew'] });
    assert.equal(await status(boss, { roles: ['other'] }), 200);
  });

  it('are told', async () => {
    const { apiKeys } = await ok(ADMIN, 'ListApiKeys', { userId: 'kim' });
    assert.deepEqual(
      apiKeys.slice(0, 3).map(({ roles }: { roles?: readonly string[] }) => roles),
      [undefined, ['crew', 'support'], ['crew', 'support']],
    );
    const refused = await manage(ADMIN, 'CreateApiKey', { name: 'x', roles: ['crew', 'admin'] });
    assert.equal(refused.status, 400);
    assert.match(refused.json.message, /roles\[1\].*SCOPE_ADMIN gives/);
  });
});
