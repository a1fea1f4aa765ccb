import assert from 'node:assert/strict';
import { it } from 'node:test';
import { clientAt, startCluster } from '../support/cluster.ts';
import { CountingServer } from '../support/counting-http.ts';
import { countOf, inbox } from '../support/inbox.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

it('hears at one node what a server has to say that other nodes have called', async (t) => {
  const [cluster, server] = await Promise.all([
    startCluster(),
    CountingServer.start({ name: 'one', resources: [{ uri: 'one://r', name: 'r' }] }),
  ]);
  t.after(async () => {
    await cluster.stop();
    await server.close();
  });
  await cluster.nodes[0]!.addServer({ name: 'one', url: server.url });
  const first = new RawClient(cluster.nodes[0]!.mcpUrl);
  await first.initialize();
  const clients = cluster.nodes.map(({ mcpUrl }) => clientAt(mcpUrl, first));
  t.after(() => {
    for (const client of [first, ...clients]) client.close();
  });
  // It listens before anyone has a session with the server.
  const messages = inbox(await clients[2]!.stream());
  const { message } = await clients[0]!.request('resources/subscribe', { uri: 'one://r' });
  assert.deepEqual(message?.result, {});
  assert.deepEqual((await clients[0]!.request('logging/setLevel', { level: 'error' })).message?.result, {});
  await clients[1]!.callTool('one__echo', { text: 'x' });
  const { sessionId } = server.last('tools/call')!;
  await until(() => server.seen.some((seen) => seen.httpMethod === 'GET' && seen.sessionId === sessionId), {
    what: 'somebody to listen to the server',
  });
  server.notify('notifications/message', { level: 'debug', data: 'said' });
  server.notify('notifications/resources/updated', { uri: 'one://r' });
  await until(() => countOf(messages, 'notifications/resources/updated') > 0, { what: 'the update' });
  assert.equal(countOf(messages, 'notifications/message'), 1);
  const gone = await clients[1]!.request('resources/unsubscribe', { uri: 'one://r' });
  assert.deepEqual(gone.message?.result, {});
  assert.ok(!server.peer.subscriptions.has('one://r'));
});
