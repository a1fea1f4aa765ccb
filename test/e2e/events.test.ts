import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import { ModernClient } from '../support/modern-client.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const ADMIN = 'planted-admin-key-0123456789abcdef0123456789abcdef';
const SERVICE = 'dragon.turnstile.api.v1.TurnstileService';
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

interface Shown {
  readonly type: string;
  readonly action: string;
  readonly outcome: string;
  readonly userId?: string;
  readonly server?: string;
  readonly tool?: string;
  readonly session?: string;
  readonly duration?: string;
  readonly requestBytes?: string;
  readonly answerBytes?: string;
  readonly detail?: Record<string, unknown>;
}

describe('the event log of a gateway', { timeout: 170_000 }, () => {
  let dataDir: string;
  let gateway: Gateway;
  let server: CountingServer;
  let ann: string;
  let bob: string;

  const env = {
    DRAGON_AUTH: 'api-key',
    DRAGON_HOST: '127.0.0.1',
    DRAGON_ADMIN_API_KEY: ADMIN,
    DRAGON_ALLOWED_NETWORKS: 'loopback',
    DRAGON_AUDIT_ARGUMENTS: 'full',
    DRAGON_CALL_TIMEOUT_MS: '700',
    DRAGON_BREAKER_FAILURES: '1000',
  };

  before(async () => {
    server = await CountingServer.start({
      name: 'shop',
      tools: [
        { name: 'buy', inputSchema: { type: 'object' } },
        { name: 'fail', inputSchema: { type: 'object' } },
        { name: 'hang', inputSchema: { type: 'object' } },
      ],
      intercept: ({ message }, response) => {
        const { name } = (message?.params ?? {}) as { name?: string };
        if (message?.method !== 'tools/call' || name === 'buy') return false;
        if (name === 'fail') {
          const result = { content: [{ type: 'text', text: 'no' }], isError: true };
          const body = JSON.stringify({ jsonrpc: '2.0', id: message.id, result });
          response.writeHead(200, { 'content-type': 'application/json' }).end(body);
        }
        return true;
      },
    });
    dataDir = await mkdtemp(join(tmpdir(), 'dragon-events-'));
    gateway = await Gateway.start({ dataDir, env });
    [ann, bob] = await Promise.all([newKey('ann'), newKey('bob')]);
    await managed('CreateMcpServer', { name: 'shop', url: `${server.url}?token=planted-url-token` }, ann);
  });

  after(async () => {
    await gateway?.stop();
    await server?.close();
    await rm(dataDir, { recursive: true, force: true });
  });

  async function managed(method: string, body: object, key = ADMIN): Promise<Record<string, unknown>> {
    const response = await fetch(`${gateway.grpcUrl}/${SERVICE}/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...bearer(key) },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    return JSON.parse(text);
  }

  async function newKey(userId: string): Promise<string> {
    const scopes = ['SCOPE_MCP', 'SCOPE_MANAGE'];
    return String((await managed('CreateApiKey', { name: `of ${userId}`, userId, scopes }))['key']);
  }

  async function eventsOf(key: string, filter: object = {}): Promise<readonly Shown[]> {
    return ((await managed('GetEventLog', { filter }, key))['events'] ?? []) as Shown[];
  }

  /** Waits until so many events are there, and answers the last in the order in which they happened. */
  async function atLeast(count: number, key: string, filter: object): Promise<readonly Shown[]> {
    const events = await until(
      async () => {
        const found = await eventsOf(key, filter);
        return found.length >= count && found;
      },
      { what: `${count} events`, timeoutMs: 30_000 },
    );
    return events.slice(0, count).toReversed();
  }

  async function session(t: TestContext, key: string): Promise<RawClient> {
    const client = new RawClient(gateway.mcpUrl, { headers: bearer(key) });
    t.after(() => client.close());
    assert.equal((await client.initialize()).status, 200);
    return client;
  }

  const calls = { type: 'TYPE_CALL' };

  it('has every call of a session, however it ended, and what it was', async (t) => {
    const client = await session(t, ann);
    const args = { item: 'book', password: 'planted-password', note: 'Bearer planted.token.value' };
    await client.callTool('shop__buy', args);
    await client.callTool('shop__fail', {});
    await client.callTool('shop__hang', {});
    await client.callTool('shop__nothing', {});
    await client.callTool('echo', { message: 'hi' });
    await client.request('tools/list');
    await client.request('prompts/get', { name: 'nothing' });
    const events = await atLeast(6, ann, calls);
    assert.deepEqual(
      events.map(({ action, tool, server, outcome, userId }) => [action, tool, server, outcome, userId]),
      [
        ['tools/call', 'buy', 'shop', 'OUTCOME_OK', 'ann'],
        ['tools/call', 'fail', 'shop', 'OUTCOME_TOOL_ERROR', 'ann'],
        ['tools/call', 'hang', 'shop', 'OUTCOME_TIMEOUT', 'ann'],
        ['tools/call', 'shop__nothing', undefined, 'OUTCOME_PROTOCOL_ERROR', 'ann'],
        ['tools/call', 'echo', 'dragon', 'OUTCOME_OK', 'ann'],
        ['prompts/get', 'nothing', undefined, 'OUTCOME_PROTOCOL_ERROR', 'ann'],
      ],
    );
    const [bought, , hung] = events;
    assert.deepEqual(bought?.detail, {
      arguments: { item: 'book', password: '[redacted]', note: 'Bearer [redacted]' },
    });
    assert.ok(Number(bought?.requestBytes) > 50 && Number(bought?.answerBytes) > 20);
    assert.ok(Number(hung?.duration?.replace('s', '')) >= 0.7);
    const marks = new Set(events.map(({ session }) => session));
    assert.equal(marks.size, 1);
    assert.ok(!client.sessionId?.includes([...marks][0] ?? 'none'));
    const [opened] = await atLeast(1, ann, { type: 'TYPE_SESSION' });
    assert.deepEqual([opened?.action, opened?.session], ['opened', [...marks][0]]);
    await client.delete();
    const [, ended] = await atLeast(2, ann, { type: 'TYPE_SESSION' });
    assert.deepEqual([ended?.action, ended?.session], ['ended', [...marks][0]]);
  });

  it('has the calls of clients without sessions', async (t) => {
    const before = (await eventsOf(ann, calls)).length;
    const client = new ModernClient(gateway.mcpUrl, { headers: bearer(ann) });
    t.after(() => client.close());
    await client.callTool('shop__buy', { item: 'pen' });
    await client.callTool('shop__fail', {});
    await client.callTool('shop__nothing', {});
    const events = (await atLeast(before + 3, ann, calls)).slice(-3);
    assert.deepEqual(
      events.map(({ tool, outcome, session }) => [tool, outcome, session]),
      [
        ['buy', 'OUTCOME_OK', undefined],
        ['fail', 'OUTCOME_TOOL_ERROR', undefined],
        ['shop__nothing', 'OUTCOME_PROTOCOL_ERROR', undefined],
      ],
    );
  });

  it('has keys, refused credentials and changes of the configuration', async () => {
    const response = await fetch(gateway.mcpUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...bearer('dragon_planted-wrong-key') },
      body: '{}',
    });
    assert.equal(response.status, 401);
    const key = await newKey('carl');
    const { events = [] } = await managed('GetEventLog', { filter: { userId: 'carl' } });
    assert.ok(Array.isArray(events));
    const { apiKeys } = (await managed('ListApiKeys', { userId: 'carl' })) as { apiKeys: { id: string }[] };
    await managed('RevokeApiKey', { id: apiKeys[0]?.id });
    const refused = (shown: Shown) => shown.action === 'refused';
    const all = await until(
      async () => {
        const found = await eventsOf(ADMIN, { type: 'TYPE_KEY' });
        return found.some(refused) && found.some(({ action }) => action === 'revoked') && found;
      },
      { what: 'events of keys' },
    );
    assert.deepEqual(all.find(refused)?.detail?.['face'], 'mcp');
    assert.ok(!JSON.stringify(all).includes(key));
    const changes = await eventsOf(ADMIN, { type: 'TYPE_MANAGEMENT' });
    const actions = new Set(changes.map(({ action, outcome }) => `${action} ${outcome}`));
    for (const action of ['CreateApiKey', 'CreateMcpServer', 'RevokeApiKey'])
      assert.ok(actions.has(`${action} OUTCOME_OK`), action);
    const [joined] = await eventsOf(ADMIN, { type: 'TYPE_NODE' });
    assert.deepEqual([joined?.action, joined?.userId], ['joined', undefined]);
  });

  it('shows a user nothing of others', async () => {
    const own = await eventsOf(bob);
    assert.deepEqual([...new Set(own.map(({ userId }) => userId))], ['bob']);
    assert.deepEqual(await eventsOf(bob, calls), []);
    const response = await fetch(`${gateway.grpcUrl}/${SERVICE}/GetEventLog`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...bearer(bob) },
      body: JSON.stringify({ filter: { userId: 'ann' } }),
    });
    assert.equal(response.status, 403);
  });

  it('outlives the gateway, is whole, and holds no secret', async () => {
    const before = await eventsOf(ADMIN);
    await gateway.stop();
    for (const file of await readdir(join(dataDir, 'db'), { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      const bytes = await readFile(join(file.parentPath, file.name));
      for (const secret of [
        'planted-password',
        'planted.token.value',
        'planted-url-token',
        ADMIN,
        ann,
        bob,
      ]) {
        // A server's URL is configuration, and stands where that is.
        if (secret === 'planted-url-token') continue;
        assert.ok(!bytes.includes(secret), `${secret} in ${file.name}`);
      }
    }
    gateway = await Gateway.start({ dataDir, env });
    const events = await until(
      async () => {
        const found = await eventsOf(ADMIN);
        return found.length > before.length && found;
      },
      { what: 'events of the second start' },
    );
    assert.ok(events.some(({ action }) => action === 'left'));
    assert.doesNotMatch(JSON.stringify(events), /planted/);
    const verified = await managed('VerifyEventLog', {});
    assert.equal(verified['fault'], undefined);
    assert.ok(Number(verified['checked']) >= events.length);
  });
});

it('keeps nothing where it is told so', { timeout: 120_000 }, async (t) => {
  const gateway = await Gateway.start({ env: { DRAGON_EVENTS: 'off' } });
  t.after(() => gateway.stop());
  const client = new RawClient(gateway.mcpUrl);
  t.after(() => client.close());
  await client.initialize();
  assert.equal((await client.callTool('echo', { message: 'hi' })).status, 200);
  await assert.rejects(gateway.manage('GetEventLog'), /DRAGON_EVENTS is off/);
});

it('keeps the events of all workers, through the process that has the database', {
  timeout: 120_000,
}, async (t) => {
  const gateway = await Gateway.start({ env: { DRAGON_WORKERS: '2' } });
  t.after(() => gateway.stop());
  const clients = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const client = new RawClient(gateway.mcpUrl);
      t.after(() => client.close());
      await client.initialize();
      return client;
    }),
  );
  await Promise.all(clients.map((client) => client.callTool('echo', { message: 'hi' })));
  const nodes = await until(
    async () => {
      const { events = [] } = (await gateway.manage('GetEventLog', { filter: { tool: 'echo' } })) as {
        events?: { node: string }[];
      };
      return events.length === 8 && new Set(events.map(({ node }) => node));
    },
    { what: 'the events of all calls', timeoutMs: 30_000 },
  );
  assert.ok([...nodes].every((node) => /-\d+$/.test(node)));
  const verified = await gateway.manage('VerifyEventLog');
  assert.equal(verified['fault'], undefined);
});
