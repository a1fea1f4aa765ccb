import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { Cluster } from '../support/cluster.ts';
import { CountingServer } from '../support/counting-http.ts';
import type { Gateway } from '../support/gateway.ts';
import { ModernClient } from '../support/modern-client.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const ADMIN = `an-admin-key-for-this-test-${'x'.repeat(24)}`;
const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

describe('an API key that is over', { timeout: 180_000 }, () => {
  let cluster: Cluster;
  let server: CountingServer;
  let one: Gateway;
  let two: Gateway;

  before(async () => {
    server = await CountingServer.start();
    cluster = await Cluster.start({
      nodes: 2,
      env: {
        DRAGON_AUTH: 'api-key',
        DRAGON_ADMIN_API_KEY: ADMIN,
        DRAGON_ALLOWED_NETWORKS: 'loopback',
        DRAGON_SSE_ENDPOINT: 'true',
      },
    });
    [one, two] = cluster.nodes as [Gateway, Gateway];
  });

  after(async () => {
    await cluster?.stop();
    await server?.close();
  });

  async function ask(node: Gateway, method: string, body: object, key = ADMIN) {
    const response = await fetch(`${node.grpcUrl}/dragon.turnstile.api.v1.TurnstileService/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...bearer(key) },
      body: JSON.stringify(body),
    });
    const json = await response.json();
    assert.equal(response.status, 200, JSON.stringify(json));
    return json as { key: string; apiKey: { id: string } };
  }

  /** A stream of each kind at the first node, and a session with a call under way. */
  async function open(t: TestContext, key: string) {
    const client = new RawClient(one.mcpUrl, { headers: bearer(key) });
    const modern = new ModernClient(one.mcpUrl, { headers: bearer(key) });
    t.after(() => [client, modern.raw].map((each) => each.close()));
    await client.initialize();
    const legacy = await client.stream();
    const listening = await modern.open('subscriptions/listen', {
      notifications: { toolsListChanged: true },
    });
    assert.ok(await listening.next(), 'it listens');
    const older = await fetch(new URL('/sse', one.mcpUrl), { headers: bearer(key) });
    assert.equal(older.status, 200);
    const ends = [
      ['GET', untilOver(legacy)],
      ['listen', untilOver(listening)],
      ['/sse', older.text().catch(() => 'cut')],
    ] as const;
    return { client, ends };
  }

  async function untilOver(stream: { next(): Promise<unknown> }): Promise<void> {
    while ((await stream.next().catch(() => undefined)) !== undefined);
  }

  it('ends at once what it has opened at another node, and nothing of another key', async (t) => {
    const made = await ask(two, 'CreateApiKey', { name: 'one', scopes: ['SCOPE_MCP', 'SCOPE_MANAGE'] });
    const other = await ask(two, 'CreateApiKey', { name: 'other' });
    await ask(one, 'CreateMcpServer', { name: 'slow', url: server.url }, made.key);
    const kept = await open(t, other.key);
    const lost: string[] = [];
    for (const [kind, end] of kept.ends) void Promise.resolve(end).then(() => lost.push(kind));
    const { client, ends } = await open(t, made.key);
    await until(async () => (await client.callTool('slow__echo', { text: 'x' })).status === 200, {
      what: 'it',
    });
    const call = client.callTool('slow__hold', {});
    await until(() => server.last('tools/call')?.body.includes('hold') === true, { what: 'the call' });
    await ask(two, 'RevokeApiKey', { id: made.apiKey.id });
    for (const [, end] of ends) await end;
    await call.catch(() => {});
    const { sessionId } = client;
    const answer = await client.request('ping');
    assert.equal(answer.status, 401);
    // Another key of the same user does not find the session either.
    const heir = new RawClient(one.mcpUrl, { headers: bearer(other.key) });
    t.after(() => heir.close());
    heir.sessionId = sessionId;
    await until(async () => (await heir.request('ping')).status === 404, { what: 'the session to be gone' });
    assert.deepEqual(lost, []);
    assert.equal((await kept.client.request('ping')).status, 200);
  });

  it('ends what it has opened when its time comes', async (t) => {
    const expireTime = new Date(Date.now() + 5000).toISOString();
    const made = await ask(two, 'CreateApiKey', { name: 'short', expireTime });
    const { client, ends } = await open(t, made.key);
    for (const [, end] of ends) await end;
    assert.equal((await client.request('ping')).status, 401);
  });
});
