import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { CountingServer } from '../support/counting-http.ts';
import type { Gateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';
import { has, listeners, oneListens, Servers, SLOW_MS, settled, told, watcherOf } from './list-clients.ts';

interface Health {
  readonly state: string;
  readonly error?: string;
  readonly checkTime?: string;
}

describe('what a server lists, on three nodes', () => {
  let cluster: Cluster;
  const servers = new Servers();

  before(async () => {
    cluster = await startCluster();
  });

  after(async () => {
    await cluster?.stop();
    await servers.close();
  });

  it('is asked for once for all sessions, by the one node that listens', async (t) => {
    // A node that the machine holds up for seconds loses its lease, rightly, and another asks again.
    for (let attempt = 1; ; attempt++) {
      const { server } = await servers.add(cluster, `once${attempt}`);
      await listeners(t, cluster, `once${attempt}`);
      await oneListens(server);
      const counts = [server.count('tools/list'), server.streamsOpened];
      if (attempt < 3 && counts.some((count) => count !== 1)) continue;
      assert.deepEqual(counts, [1, 1]);
      return;
    }
  });

  it('is told to every client at every node when it changes, once', async (t) => {
    const { server } = await servers.add(cluster, 'news');
    const all = await listeners(t, cluster, 'news');
    const before = await settled(all, server);
    const { tools } = server.peer;
    for (let n = 1; n <= 3; n++) {
      server.setTools([...tools, { name: `extra${n}` }]);
      await told(all, before, n);
      // Who has been told sees it.
      for (const { client } of all) assert.ok(await has(client, `news__extra${n}`));
    }
    assert.deepEqual(
      all.map(({ changes }, n) => changes() - before[n]!),
      all.map(() => 3),
    );
  });

  it('is asked for by the node that watches when an operator wants it at another', async (t) => {
    const { server, id } = await servers.add(cluster, 'asked');
    const all = await listeners(t, cluster, 'asked');
    await oneListens(server);
    const watcher = await watcherOf(cluster, id);
    const before = server.count('tools/list');
    for (const [place, node] of cluster.nodes.entries()) {
      server.peer.tools = [...server.peer.tools, { name: `quiet${place}` }];
      const { toolCount } = await node.manage('RefreshMcpServer', { server: { id } });
      assert.equal(toolCount, server.peer.tools.length, `at node ${place}, watched by ${watcher}`);
      for (const { client } of all) {
        await until(() => has(client, `asked__quiet${place}`), { what: 'the tool', timeoutMs: SLOW_MS });
      }
    }
    if ((await watcherOf(cluster, id)) === watcher) assert.equal(server.count('tools/list'), before + 3);
  });

  it('says the same of a server’s health at every node', async (t) => {
    const { server, id } = await servers.add(cluster, 'ill');
    await listeners(t, cluster, 'ill');
    const same = async (state: string): Promise<Health | undefined> => {
      const [first, ...others] = await Promise.all(cluster.nodes.map((node) => healthOf(node, id)));
      // Between two of these questions it may have been asked again.
      for (const other of others) assert.deepEqual(other, first);
      return first!.state === state ? first : undefined;
    };
    await until(() => same('STATE_OK'), { what: 'good health at every node', timeoutMs: SLOW_MS });
    await server.close();
    await assert.rejects(cluster.nodes[1]!.manage('RefreshMcpServer', { server: { id } }), /ill/);
    const health = await until(() => same('STATE_FAILING'), {
      what: 'bad health at every node',
      timeoutMs: SLOW_MS,
    });
    assert.match(health.error ?? '', /^Server "ill"/);
    const cured = await CountingServer.start({ name: 'ill', port: Number(new URL(server.url).port) });
    t.after(() => cured.close());
    await until(() => same('STATE_OK'), { what: 'good health again', timeoutMs: 2 * SLOW_MS });
  });
});

async function healthOf(node: Gateway, id: string): Promise<Health> {
  const { server } = await node.manage('GetMcpServer', { server: { id } });
  return (server as { health: Health }).health;
}
