import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { until } from '../support/wait.ts';
import { type Load, startLoad, upTo } from './load.ts';
import { NumberedServer } from './numbered-server.ts';

describe('while PostgreSQL is in trouble', () => {
  let cluster: Cluster;
  let server: NumberedServer;
  let load: Load;

  before(async () => {
    [cluster, server] = await Promise.all([startCluster(), NumberedServer.start()]);
    await cluster.nodes[0]!.addServer({ name: 'n', url: server.url });
    load = await startLoad(cluster.mcpUrl, 6, server);
  });

  after(async () => {
    await load?.close();
    await cluster?.stop();
    await server?.close();
  });

  afterEach(async () => {
    for (const node of cluster.nodes) {
      await until(() => node.manage('ListMcpServers'), { what: 'the management API', timeoutMs: 60_000 });
    }
    await cluster.ready();
    await load.progress(5);
    await load.allHave(server.said);
    assert.deepEqual(load.failures(), {});
    for (const { numbers } of load.clients) assert.deepEqual(numbers, upTo(numbers.length));
    assert.ok(cluster.nodes.every(({ isRunning }) => isRunning));
  });

  const refused = async () => {
    for (const node of cluster.nodes) await assert.rejects(node.manage('ListMcpServers'), /unavailable/);
  };

  it('calls go on while it is away, and management says so', async () => {
    cluster.database.refuse();
    await refused();
    await load.progress(50);
    cluster.database.heal();
  });

  it('calls go on while it hangs', async () => {
    cluster.database.silence();
    await load.progress(100);
    cluster.database.heal();
  });

  it('calls go on when its connections are cut', async () => {
    for (let i = 0; i < 10; i++) {
      cluster.database.cut(0.5);
      await load.progress(3);
    }
  });
});
