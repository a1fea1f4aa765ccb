import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Cluster, clientAt, startCluster } from '../support/cluster.ts';
import { CountingServer } from '../support/counting-http.ts';
import { RawClient } from '../support/raw-client.ts';
import { textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';

describe('a node that is asked to stop', () => {
  let cluster: Cluster;
  let server: CountingServer;

  before(async () => {
    [cluster, server] = await Promise.all([startCluster({ nodes: 2 }), CountingServer.start()]);
    await cluster.nodes[0]!.addServer({ name: 'one', url: server.url });
  });

  after(async () => {
    server?.peer.release();
    await cluster?.stop();
    await server?.close();
  });

  it('lets the calls that run end, and leaves sessions that nobody else has seen to the others', async (t) => {
    const [first, second] = cluster.nodes;
    const client = new RawClient(first!.mcpUrl);
    t.after(() => client.close());
    await client.initialize();
    const idle = new RawClient(first!.mcpUrl);
    t.after(() => idle.close());
    await idle.initialize();
    await idle.callTool('one__echo', { text: 'x' });
    const { sessionsClosed } = server;

    const call = client.callTool('one__hold');
    await until(() => server.peer.held === 1, { what: 'the call to run' });
    const stopped = first!.stop();
    t.after(async () => {
      await stopped;
      await cluster.revive(0);
    });
    await until(async () => !(await isReady(first!.opsUrl)), { what: 'the node to be no longer ready' });
    server.peer.release();
    assert.equal(textOf((await call).message!), 'released');
    assert.equal(await stopped, 0);

    for (const known of [client, idle]) {
      const elsewhere = clientAt(second!.mcpUrl, known);
      t.after(() => elsewhere.close());
      const { message, text } = await elsewhere.callTool('one__echo', { text: 'on' });
      assert.equal(message === undefined ? text : textOf(message), 'on');
    }
    // The node ends its own session with the server, by which it watched the lists; those of its clients go on.
    assert.ok(server.sessionsClosed - sessionsClosed <= 1, 'sessions with the server went on as well');
  });

  it('closes streams so that clients come back to another at once', async (t) => {
    const [first, second] = cluster.nodes;
    const client = new RawClient(first!.mcpUrl);
    t.after(() => client.close());
    await client.initialize();
    const stream = await client.stream();
    const stopped = first!.stop();
    t.after(async () => {
      await stopped;
      await cluster.revive(0);
    });
    let retry: number | undefined;
    let lastEventId = '';
    for await (const event of stream) {
      retry = event.retry ?? retry;
      lastEventId = event.id ?? lastEventId;
    }
    assert.ok(retry !== undefined && retry <= 5000, `retry: ${retry}`);
    const elsewhere = clientAt(second!.mcpUrl, client);
    t.after(() => elsewhere.close());
    const again = await elsewhere.stream({ lastEventId });
    assert.equal(again.status, 200);
    again.close();
    assert.equal(await stopped, 0);
  });
});

const isReady = (opsUrl: string) =>
  fetch(`${opsUrl}/ready`).then(
    ({ ok }) => ok,
    () => false,
  );
