import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { until } from '../support/wait.ts';
import { has, listeners, oneListens, Servers, SLOW_MS, settled, told, watcherOf } from './list-clients.ts';

describe('the node that watches a server', () => {
  let cluster: Cluster;
  const servers = new Servers();

  before(async () => {
    cluster = await startCluster();
  });

  after(async () => {
    await cluster?.stop();
    await servers.close();
  });

  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    it(`is followed by another after ${signal}, and clients hear of changes again`, async (t) => {
      const name = signal.toLowerCase();
      const { server, id } = await servers.add(cluster, name);
      const all = await listeners(t, cluster, name);
      await settled(all, server);
      const { streamsOpened } = server;
      const place = await watcherOf(cluster, id);
      await cluster.kill(place, signal);
      await until(() => server.streamsOpened > streamsOpened, {
        what: 'another node to listen',
        timeoutMs: SLOW_MS,
      });
      await oneListens(server);
      assert.notEqual(await watcherOf(cluster, id), place);
      const alive = all.filter(({ node }) => node.isRunning);
      const before = alive.map(({ changes }) => changes());
      server.setTools([...server.peer.tools, { name: 'later' }]);
      await told(alive, before, 1);
      for (const { client } of alive) assert.ok(await has(client, `${name}__later`));
      await cluster.revive(place);
    });
  }

  it('is one again after Redis was away, and clients hear of changes again', async (t) => {
    const { server } = await servers.add(cluster, 'back');
    const all = await listeners(t, cluster, 'back');
    await settled(all, server);
    await cluster.redis.restart();
    for (const { opsUrl } of cluster.nodes) {
      await until(async () => (await fetch(`${opsUrl}/ready`)).ok, {
        what: 'all nodes to be ready',
        timeoutMs: SLOW_MS,
      });
    }
    const before = all.map(({ changes }) => changes());
    let n = 0;
    await until(
      async () => {
        // Nodes may be about to hand over who watches.
        if (server.openStreams !== 1) return false;
        server.setTools([...server.peer.tools, { name: `later${++n}` }]);
        await told(all, before, 1);
        return true;
      },
      { what: 'news at every client', timeoutMs: 2 * SLOW_MS },
    );
    for (const { client } of all) {
      await until(() => has(client, `back__later${n}`), { what: 'the new tool', timeoutMs: SLOW_MS });
    }
    await oneListens(server);
  });
});
