import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';
import { assertHeard, type Load, startLoad } from './load.ts';
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

  /** Waits until all is as before, and looks back. `tolerated`: failures that are right in the meantime. */
  async function heals(tolerated = /^$/): Promise<void> {
    for (const { mcpUrl } of cluster.nodes) {
      await until(async () => (await open(mcpUrl)).status === 200, {
        what: 'new sessions',
        timeoutMs: 30_000,
      });
    }
    await cluster.ready();
    await load.progress(5);
    const { said } = server;
    await load.allHave(said);
    const failures = Object.entries(load.failures()).filter(([what]) => !tolerated.test(what));
    assert.deepEqual(failures, []);
    for (const client of load.clients) assertHeard(client, said);
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

  it('goes on when clients lose their streams while it hangs, and come back wherever they can', async () => {
    await cluster.redis.pause();
    await refused();
    for (let round = 0; round < 5; round++) {
      await load.progress(10);
      for (const client of load.clients) client.cut();
    }
    await cluster.redis.resume();
    for (const client of load.clients) client.cut();
    await heals(/^stream: 503$/);
  });

  it('goes on when a node dies while it hangs', async () => {
    await cluster.redis.pause();
    await refused();
    await load.progress(20);
    await cluster.kill(0);
    await load.progress(10);
    await cluster.redis.resume();
    await load.progress(5);
    await cluster.revive(0);
    // A session that a node has not seen has to wait until Redis is back.
    await heals(/^(stream|call): (503|502|0)\b/);
  });

  it('goes on when its connections are cut', async () => {
    for (let i = 0; i < 10; i++) {
      await cluster.redis.killConnections();
      await load.progress(3);
    }
    await heals();
  });

  it('goes on when its connections are cut and clients move', async () => {
    for (let i = 0; i < 10; i++) {
      await cluster.redis.killConnections();
      for (const client of load.clients.slice(i % 2)) client.cut();
      await load.progress(3);
    }
    await heals(/^stream: 503$/);
  });
});
