import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Cluster, clientAt, startCluster } from '../support/cluster.ts';
import { CountingServer } from '../support/counting-http.ts';
import type { Gateway } from '../support/gateway.ts';
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
    const retries: number[] = [];
    let lastEventId = '';
    for await (const event of stream) {
      if (event.retry !== undefined) retries.push(event.retry);
      lastEventId = event.id ?? lastEventId;
    }
    // The first is for connections that are lost; the second comes with the end, and is another for each client.
    assert.equal(retries.length, 2);
    assert.ok(retries[1]! < 1000, `retry: ${retries[1]}`);
    const elsewhere = clientAt(second!.mcpUrl, client);
    t.after(() => elsewhere.close());
    const again = await elsewhere.stream({ lastEventId });
    assert.equal(again.status, 200);
    again.close();
    assert.equal(await stopped, 0);
  });
});

describe('a node whose balancer takes long to notice', () => {
  let cluster: Cluster;
  let server: CountingServer;

  before(async () => {
    [cluster, server] = await Promise.all([
      startCluster({ nodes: 2, env: { DRAGON_DRAIN_DELAY_MS: '600000' } }),
      CountingServer.start(),
    ]);
    await cluster.nodes[0]!.addServer({ name: 'one', url: server.url });
  });

  after(async () => {
    server?.peer.release();
    await cluster?.stop();
    await server?.close();
  });

  it('serves all that comes, new sessions too, and leaves at once when it is told again', async (t) => {
    const [first, second] = cluster.nodes;
    const known = new RawClient(first!.mcpUrl);
    t.after(() => known.close());
    await known.initialize();
    const listening = await known.stream();
    // Nobody has reason to give the request back yet.
    const headers = { 'dragon-elsewhere': '1' };
    assert.equal((await known.request('ping', {}, { headers })).status, 200);

    const stopped = first!.stop();
    const isOver = () => !first!.isRunning;
    t.after(() => until(() => isOver() || !first!.process.kill('SIGTERM'), { what: 'the node to end' }));
    await until(async () => !(await isReady(first!.opsUrl)), { what: 'the node to be no longer ready' });
    await until(async () => (await stateOf(first!, second!)) === 'draining', { what: 'the others to know' });

    // Its connection goes with its next answer, and none is lost to that.
    for (const turn of ['last on the old connection', 'first on a new one']) {
      assert.equal(textOf((await known.callTool('one__echo', { text: turn })).message!), turn);
    }
    const newcomer = new RawClient(first!.mcpUrl);
    t.after(() => newcomer.close());
    const { status, headers: sent } = await newcomer.initialize();
    assert.equal(status, 200);
    assert.equal(sent['connection'], 'close');
    const elsewhere = clientAt(second!.mcpUrl, newcomer);
    t.after(() => elsewhere.close());
    assert.equal(textOf((await elsewhere.callTool('one__echo', { text: 'on' })).message!), 'on');

    const { calls } = counted(server);
    const given = await known.callTool('one__echo', { text: 'x'.repeat(1_000_000) }, { headers });
    assert.deepEqual([given.status, given.headers['x-accel-redirect']], [503, '@elsewhere']);
    assert.equal(counted(server).calls, calls, 'what is given back was not touched');
    // Its stream is left to it as long as it serves.
    server.notify('notifications/message', { level: 'error', data: 'still here' });
    assert.equal((await listening.next())?.params?.['data'], 'still here');

    await until(() => isOver() || !first!.process.kill('SIGTERM'), { what: 'the node to end' });
    assert.equal(await stopped, 1);
  });
});

describe('a node that stops while calls hang', () => {
  it('says so to their clients when the time is over', async (t) => {
    const [cluster, server] = await Promise.all([
      startCluster({ nodes: 2, env: { DRAGON_DRAIN_DELAY_MS: '0', DRAGON_SHUTDOWN_TIMEOUT_MS: '500' } }),
      CountingServer.start(),
    ]);
    t.after(async () => {
      await cluster.stop();
      await server.close();
    });
    const [first, second] = cluster.nodes;
    await first!.addServer({ name: 'one', url: server.url });
    const client = new RawClient(first!.mcpUrl);
    t.after(() => client.close());
    await client.initialize();
    const call = client.callTool('one__hold');
    await until(() => server.peer.held === 1, { what: 'the call to run' });
    assert.equal(await first!.stop(), 0);
    assert.match((await call).message!.error!.message, /shutting down.*outcome is unknown/);
    const elsewhere = clientAt(second!.mcpUrl, client);
    t.after(() => elsewhere.close());
    assert.equal((await elsewhere.callTool('one__echo', { text: 'on' })).status, 200);
  });
});

const isReady = (opsUrl: string) =>
  fetch(`${opsUrl}/ready`).then(
    ({ ok }) => ok,
    () => false,
  );

/** How the second node sees the first. */
async function stateOf(first: Gateway, second: Gateway): Promise<string | undefined> {
  const { host } = new URL(first.mcpUrl);
  const members = (await (await fetch(`${second.opsUrl}/cluster/members`)).json()) as readonly {
    readonly address: string;
    readonly state: string;
  }[];
  return members.find(({ address }) => address === host)?.state;
}

const counted = ({ seen }: CountingServer) => ({
  calls: seen.filter(({ message }) => message?.method === 'tools/call').length,
});
