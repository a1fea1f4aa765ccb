import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ask, refused, retry } from '../eras/rounds.ts';
import { type Fixture, startFixture } from '../fixture/server.ts';
import { type Cluster, clientAt, startCluster } from '../support/cluster.ts';
import { ModernClient } from '../support/modern-client.ts';
import { RawClient } from '../support/raw-client.ts';
import { isRequest, textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';

describe('clients and servers of different eras on two nodes', () => {
  let cluster: Cluster;
  let old: Fixture;
  let modern: Fixture;
  const clients: ModernClient[] = [];

  before(async () => {
    [cluster, old, modern] = await Promise.all([
      startCluster({ nodes: 2 }),
      startFixture(0, 'legacy'),
      startFixture(0, 'modern'),
    ]);
    await cluster.nodes[0]!.addServer({ name: 'old', url: old.url });
    await cluster.nodes[0]!.addServer({ name: 'new', url: modern.url });
    for (const { mcpUrl } of cluster.nodes) {
      const client = new ModernClient(mcpUrl);
      clients.push(client);
      await until(
        async () => (await client.callTool('new__test_simple_text')).message?.result !== undefined,
        { what: 'the servers', timeoutMs: 30_000 },
      );
    }
  });

  after(async () => {
    for (const client of clients) client.close();
    await cluster?.stop();
    await old?.close();
    await modern?.close();
  });

  for (const server of ['old', 'new']) {
    it(`takes a modern client's answers for the ${server} server on either node`, async () => {
      for (const [at, other] of [
        [0, 1],
        [1, 0],
      ] as const) {
        const asked = await ask(clients[at]!, `${server}__test_elicitation`);
        const message = await retry(clients[other]!, `${server}__test_elicitation`, asked);
        assert.match(textOf(message), /accept.*ada/);
      }
    });
  }

  it('takes what was used on one node on none', async () => {
    const asked = await ask(clients[0]!, 'old__test_elicitation');
    assert.ok((await retry(clients[1]!, 'old__test_elicitation', asked)).result);
    for (const client of clients) refused(await retry(client, 'old__test_elicitation', asked));
  });

  it("takes a legacy client's answer for a modern server on the other node", async () => {
    const client = new RawClient(cluster.nodes[0]!.mcpUrl, { capabilities: { elicitation: {} } });
    await client.initialize();
    const other = clientAt(cluster.nodes[1]!.mcpUrl, client);
    const stream = await client.postStream({
      jsonrpc: '2.0',
      id: 7,
      method: 'tools/call',
      params: { name: 'new__test_elicitation', arguments: { message: 'Who?' } },
    });
    for (let message = await stream.next(); ; message = await stream.next()) {
      assert.ok(message, 'the stream ended before the answer');
      if (isRequest(message)) {
        assert.equal(message.method, 'elicitation/create');
        const content = { username: 'ada', email: 'ada@example.org' };
        assert.equal((await other.respond(message.id, { action: 'accept', content })).status, 202);
      } else if (message.id === 7) {
        assert.match(textOf(message), /accept.*ada/);
        break;
      }
    }
    await client.delete();
    client.close();
    other.close();
  });

  it('says so when the node of a call that waits has died, and ends its session at the server', async () => {
    const before = old.sessions;
    const asked = await ask(clients[1]!, 'old__test_elicitation');
    await cluster.kill(1);
    const message = await retry(clients[0]!, 'old__test_elicitation', asked);
    assert.match(message.error?.message ?? '', /has gone/, JSON.stringify(message));
    await until(() => old.sessions <= before, { what: 'the end of the session', timeoutMs: 30_000 });
  });
});
