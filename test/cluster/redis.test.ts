import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';
import { type Load, startLoad, upTo } from './load.ts';
import { NumberedServer } from './numbered-server.ts';

/** Numbers that are said while the load talks for ten seconds. */
const NUMBERS_OF_10_S = 250;

describe('while Redis is in trouble', () => {
  let cluster: Cluster;
  let server: NumberedServer;
  let load: Load;

  before(async () => {
    [cluster, server] = await Promise.all([startCluster(), NumberedServer.start()]);
    await cluster.nodes[0]!.addServer({ name: 'n', url: server.url });
    load = await startLoad(cluster.mcpUrl, 6, server);
    for (const { mcpUrl } of cluster.nodes) {
      await Promise.all(load.clients.map((client) => client.visit(mcpUrl)));
    }
  });

  after(async () => {
    await load?.close();
    await cluster?.stop();
    await server?.close();
  });

  /** Waits until all is as before, and looks back. */
  async function heals(): Promise<void> {
    for (const { mcpUrl } of cluster.nodes) {
      await until(async () => (await open(mcpUrl)).status === 200, {
        what: 'new sessions',
        timeoutMs: 30_000,
      });
    }
    await cluster.ready();
    await load.progress(5);
    await load.allHave(server.said);
    assert.deepEqual(load.failures(), {});
    for (const { numbers } of load.clients) assert.deepEqual(numbers, upTo(numbers.length));
    assert.ok(cluster.nodes.every(({ isRunning }) => isRunning));
  }

  /** Every node refuses new sessions, and says when to come back. */
  async function refused(): Promise<void> {
    for (const { mcpUrl } of cluster.nodes) {
      const answer = await until(
        async () => {
          const answer = await open(mcpUrl);
          return answer.status === 503 && answer;
        },
        { what: 'new sessions to be refused', timeoutMs: 30_000 },
      );
      assert.ok(Number(answer.retryAfter) > 0, `Retry-After: ${answer.retryAfter}`);
    }
  }

  async function open(mcpUrl: string) {
    const client = new RawClient(mcpUrl);
    const { status, headers } = await client.initialize();
    if (status === 200) await client.delete();
    client.close();
    return { status, retryAfter: headers['retry-after'] };
  }

  it('goes on when it is restarted', async () => {
    await cluster.redis.restart();
    await heals();
  });

  it('goes on with what it knows while it is away', async () => {
    await cluster.redis.kill();
    await refused();
    await load.progress(20);
    await cluster.redis.start();
    await heals();
  });

  it('goes on with what it knows while it hangs', async () => {
    await cluster.redis.pause();
    await refused();
    const goal = server.said + NUMBERS_OF_10_S;
    await until(() => server.said >= goal, { what: 'many numbers', timeoutMs: 60_000 });
    await load.progress(20);
    await cluster.redis.resume();
    await heals();
  });
});
