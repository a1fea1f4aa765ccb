import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { dragon } from '../support/cli.ts';
import { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import { ModernClient } from '../support/modern-client.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const inputSchema = { type: 'object' };
const TOOLS = ['look', 'wipe', 'wait', 'free'].map((name) => ({ name, inputSchema }));

/** Nothing is refilled while a test runs. */
const LONG_S = 1_000_000;

const LIMITS = {
  rules: [
    { name: 'looks', tools: ['look'], calls: 2, seconds: LONG_S },
    { name: 'wipes of a tenant', per: 'tenant', tools: ['wipe'], calls: 2, seconds: LONG_S },
    { tools: ['wait'], atOnce: 1 },
  ],
};

const SERVICE = 'dragon.turnstile.api.v1.TurnstileService';

const as = (user: string, tenant = 'default') => ({
  'x-forwarded-user': user,
  'x-forwarded-tenant': tenant,
});

describe('limits of calls', { timeout: 120_000 }, () => {
  let gateway: Gateway;
  let server: CountingServer;
  /** Calls of `wait` that are under way. */
  const waiting: (() => void)[] = [];

  before(async () => {
    server = await CountingServer.start({
      name: 'one',
      tools: TOOLS,
      intercept: ({ message }, response) => {
        const { id, method, params } = (message ?? {}) as Record<string, unknown>;
        if (method !== 'tools/call' || (params as { name: string }).name !== 'wait') return false;
        const answer = () => {
          response.writeHead(200, { 'content-type': 'application/json' });
          response.end(JSON.stringify({ jsonrpc: '2.0', id, result: { content: [] } }));
        };
        waiting.push(answer);
        return true;
      },
    });
    gateway = await Gateway.start({
      env: {
        DRAGON_AUTH: 'proxy',
        DRAGON_HOST: '127.0.0.1',
        DRAGON_PROXY_ADDRESSES: '127.0.0.1',
        DRAGON_PROXY_TENANT_HEADER: 'x-forwarded-tenant',
        DRAGON_ALLOWED_NETWORKS: 'loopback',
        DRAGON_LIMITS: JSON.stringify(LIMITS),
      },
    });
  });

  after(async () => {
    await gateway?.stop();
    await server?.close();
  });

  async function add(headers: Record<string, string>): Promise<void> {
    const response = await fetch(`${gateway.grpcUrl}/${SERVICE}/CreateMcpServer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ name: 'one', url: server.url }),
    });
    assert.equal(response.status, 200, await response.text());
  }

  /** A client of each era, of a user with a server. */
  async function clients(t: TestContext, headers: Record<string, string>) {
    await add(headers);
    const old = new RawClient(gateway.mcpUrl, { headers });
    const modern = new ModernClient(gateway.mcpUrl, { headers });
    t.after(() => {
      old.close();
      modern.close();
    });
    await old.initialize();
    let id = 100;
    const legacy = (name: string) =>
      old.post({
        jsonrpc: '2.0',
        id: ++id,
        method: 'tools/call',
        params: { name: `one__${name}`, arguments: {} },
      });
    return { legacy, modern: (name: string) => modern.callTool(`one__${name}`), old };
  }

  const calls = () => server.seen.filter(({ message }) => message?.method === 'tools/call').length;

  it('answers 429 with Retry-After to who is over a limit, in both eras, and asks no server', async (t) => {
    const { legacy, modern } = await clients(t, as('eras'));
    assert.ok((await legacy('look')).message?.result !== undefined);
    assert.ok((await modern('look')).message?.result !== undefined);
    const before = calls();
    for (const answer of [await legacy('look'), await modern('look')]) {
      assert.equal(answer.status, 429);
      const seconds = Number(answer.headers['retry-after']);
      assert.ok(seconds > 1000 && seconds <= LONG_S / 2, String(seconds));
      const { error } = answer.message as unknown as { error: { message: string; data: object } };
      assert.match(error.message, /limit "looks"/);
      assert.deepEqual(error.data, { reason: 'too_many_requests', limit: 'looks', retryAfter: seconds });
    }
    assert.equal(calls(), before);
    assert.ok((await legacy('free')).message?.result !== undefined);
    const metrics = await (await fetch(`${gateway.opsUrl}/metrics`)).text();
    assert.match(metrics, /outcome="limited"/);
  });

  it('counts users for themselves, and a tenant where the rule says so', async (t) => {
    const [ada, bob, eve] = [
      await clients(t, as('ada', 'acme')),
      await clients(t, as('bob', 'acme')),
      await clients(t, as('ada', 'evil')),
    ];
    const status = async (call: Promise<{ status: number }>) => (await call).status;
    assert.equal(await status(ada.legacy('look')), 200);
    assert.equal(await status(ada.legacy('look')), 200);
    assert.equal(await status(ada.legacy('look')), 429);
    assert.equal(await status(bob.modern('look')), 200);
    assert.equal(await status(eve.modern('look')), 200);
    assert.equal(await status(ada.modern('wipe')), 200);
    assert.equal(await status(bob.legacy('wipe')), 200);
    assert.equal(await status(ada.legacy('wipe')), 429);
    assert.equal(await status(bob.modern('wipe')), 429);
    assert.equal(await status(eve.legacy('wipe')), 200);
  });

  /** Calls `wait` until it is let in. Returns what comes of it, and what has the server answer. */
  async function underWay(call: () => Promise<{ readonly status: number }>) {
    return until(
      async () => {
        let status: number | undefined;
        const called = call().then((answer) => {
          status = answer.status;
          return answer;
        });
        called.catch(() => {
          status = 0;
        });
        await until(() => status !== undefined || waiting.length > 0, { what: 'an answer, or the call' });
        const answer = waiting.shift();
        return answer && { called, answer };
      },
      { what: 'a slot' },
    );
  }

  it('gives a slot back when its call ends: by its answer, by a cancellation, with its client', async (t) => {
    const { legacy, modern, old } = await clients(t, as('slots'));
    const first = await underWay(() => legacy('wait'));
    assert.equal((await modern('wait')).status, 429);
    first.answer();
    assert.equal((await first.called).status, 200);

    const params = { name: 'one__wait', arguments: {} };
    await underWay(() => old.post({ jsonrpc: '2.0', id: 'second', method: 'tools/call', params }));
    assert.equal((await modern('wait')).status, 429);
    await old.post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'second' } });

    const leaving = new ModernClient(gateway.mcpUrl, { headers: as('slots') });
    await underWay(() => leaving.callTool('one__wait'));
    assert.equal((await legacy('wait')).status, 429);
    leaving.close();

    const last = await underWay(() => legacy('wait'));
    last.answer();
    assert.equal((await last.called).status, 200);
  });

  it('gives a slot back when the server goes away in the middle of a call', async (t) => {
    const { legacy } = await clients(t, as('dying'));
    const { called } = await underWay(() => legacy('wait'));
    server.dropConnections();
    assert.equal((await called).status, 200);
    const last = await underWay(() => legacy('wait'));
    last.answer();
    assert.equal((await last.called).status, 200);
  });
});

it('limits are checked by a command, without a gateway', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'dragon-limits-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'limits.json');
  await writeFile(file, JSON.stringify(LIMITS));
  const right = await dragon(['limits', 'check', '--file', file]);
  assert.deepEqual([right.code, right.out], [0, 'The limits are right: 3 rules.\n']);
  const given = await dragon(['limits', 'check', '--json'], { env: { DRAGON_LIMITS: file } });
  assert.deepEqual([given.code, JSON.parse(given.out)], [0, { ok: true, rules: 3 }]);
  assert.equal((await dragon(['limits', 'check'])).code, 2);
  await writeFile(file, JSON.stringify({ rules: [{ name: 'x', calls: 1 }] }));
  const wrong = await dragon(['limits', 'check', '--file', file]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /rule 1 \(x\), seconds: is missing beside calls/);
});
