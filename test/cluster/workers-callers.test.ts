import assert from 'node:assert/strict';
import { it, type TestContext } from 'node:test';
import { ask, retry } from '../eras/rounds.ts';
import { startFixture } from '../fixture/server.ts';
import type { Gateway } from '../support/gateway.ts';
import { ModernClient } from '../support/modern-client.ts';
import { RawClient } from '../support/raw-client.ts';
import { textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';
import { nodeOf, startWorkers } from '../support/workers.ts';

const ADMIN = 'planted-admin-key-0123456789abcdef0123456789abcdef';
const SERVICE = 'dragon.turnstile.api.v1.TurnstileService';

/** Connections to two workers, each by what `connect` makes. */
async function twoOf<T>(connect: () => Promise<{ node: string; client: T }>): Promise<[T, T]> {
  const found = new Map<string, T>();
  return until(
    async () => {
      const { node, client } = await connect();
      if (!found.has(node)) found.set(node, client);
      const [one, two] = found.values();
      return one !== undefined && two !== undefined && ([one, two] as [T, T]);
    },
    { what: 'connections to two workers', timeoutMs: 60_000 },
  );
}

const modernClients = (t: TestContext, gateway: Gateway) =>
  twoOf(async () => {
    const client = new ModernClient(gateway.mcpUrl);
    t.after(() => client.close());
    const { message } = await client.callTool('system_info');
    return { client, node: message!.result.structuredContent.nodeId as string };
  });

it('what a modern client is asked through one worker it may answer through another, without any key configured', async (t) => {
  const [gateway, old, modern] = await Promise.all([
    startWorkers(t),
    startFixture(0, 'legacy'),
    startFixture(0, 'modern'),
  ]);
  t.after(() => Promise.all([old.close(), modern.close()]));
  await gateway.addServer({ name: 'old', url: old.url });
  await gateway.addServer({ name: 'new', url: modern.url });
  const clients = await modernClients(t, gateway);
  for (const client of clients) {
    for (const server of ['old', 'new']) {
      await until(
        async () => (await client.callTool(`${server}__test_simple_text`)).message?.result !== undefined,
        { what: 'the servers', timeoutMs: 30_000 },
      );
    }
  }
  for (const server of ['old', 'new']) {
    for (const [one, other] of [clients, clients.toReversed()] as [ModernClient, ModernClient][]) {
      const asked = await ask(one, `${server}__test_elicitation`);
      assert.match(textOf(await retry(other, `${server}__test_elicitation`, asked)), /accept.*ada/);
    }
  }
});

it('an API key that was made is good at every worker, and one that was revoked at none', async (t) => {
  const gateway = await startWorkers(t, {
    DRAGON_AUTH: 'api-key',
    DRAGON_HOST: '127.0.0.1',
    DRAGON_ADMIN_API_KEY: ADMIN,
  });
  const manage = async (method: string, body: Record<string, unknown>) => {
    const response = await fetch(`${gateway.grpcUrl}/${SERVICE}/${method}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'connect-protocol-version': '1',
        authorization: `Bearer ${ADMIN}`,
      },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    return JSON.parse(text) as { key: string; apiKey: { id: string } };
  };
  const { key, apiKey } = await manage('CreateApiKey', { name: 'of the test' });
  const clients = await twoOf(async () => {
    const client = new RawClient(gateway.mcpUrl, { headers: { authorization: `Bearer ${key}` } });
    t.after(() => client.close());
    const { status, text } = await client.initialize();
    assert.equal(status, 200, text);
    return { client, node: await nodeOf(client) };
  });
  await manage('RevokeApiKey', { id: apiKey.id });
  for (const client of clients) {
    await until(async () => (await client.request('ping')).status === 401, { what: 'its end' });
  }
  assert.ok(!gateway.output.includes(key) && !gateway.output.includes(ADMIN), 'a key is in the log');
});
