import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { createKeys, DEFAULT_KEY_PREFIX } from '../../src/coordination/keys.ts';
import { LINK } from '../../src/downstream/link-messages.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { CountingServer } from '../support/counting-http.ts';
import { RawClient } from '../support/raw-client.ts';
import { textOf } from '../support/rpc.ts';

/** What nodes say to each other, and what only a later version would. */
const KINDS = [
  'later.kind',
  'input.answer',
  ...Object.values(LINK),
  ...['written', 'released', 'changed', 'refresh', 'begun', 'refreshed', 'stale'].map(
    (what) => `catalog.${what}`,
  ),
  'servers.changed',
  'session.ended',
  'session.cancel',
  'session.linked',
  'stream.event',
  'stream.moved',
  ...['take', 'part', 'end', 'leave', 'check', 'missing'].map((what) => `takeover.${what}`),
];

let cluster: Cluster;
let server: CountingServer;
before(async () => {
  [cluster, server] = await Promise.all([startCluster({ nodes: 1 }), CountingServer.start()]);
  await cluster.nodes[0]!.addServer({ name: 'one', url: server.url });
});
after(async () => {
  await cluster?.stop();
  await server?.close();
});

it('a node takes no harm from messages of a later version, whatever they have or lack', async (t) => {
  const [node] = cluster.nodes;
  const client = new RawClient(node!.mcpUrl);
  t.after(() => client.close());
  await client.initialize();
  await client.callTool('one__echo', { text: 'before' });
  const stream = await client.stream();
  const session = client.sessionId;
  const odd = { key: 7, keys: 'x', turn: {}, stream: null, after: 'x', link: [], request: {}, later: [1] };
  const bodies: object[] = [
    {},
    { later: { field: true } },
    { session },
    { session: 'nobody', ...odd },
    // Whoever ends or moves a session says so in the form that is known; all else may be new.
    odd,
  ];
  const channel = createKeys(DEFAULT_KEY_PREFIX).node('node-1-1');
  let heard = 0;
  for (const kind of KINDS) {
    for (const body of bodies) {
      if ('session' in body && body.session === session && /ended|moved|event/.test(kind)) continue;
      const text = JSON.stringify({ from: 'later-node', message: { kind, ...body }, later: true });
      heard += Number(await cluster.redis.call('PUBLISH', channel, text));
    }
  }
  assert.ok(heard > KINDS.length, 'the node listens');

  assert.equal(textOf((await client.callTool('one__echo', { text: 'after' })).message!), 'after');
  server.notify('notifications/message', { level: 'error', data: 'still heard' });
  assert.equal((await stream.next())?.params?.['data'], 'still heard');
  stream.close();
  // What a part cannot make sense of may be in the log, as that and no more.
  const errors = node!.output.split('\n').filter((line) => /"level":"(error|fatal)"/.test(line));
  const unexpected = errors.filter((line) => !line.includes('"msg":"A listener of the bus failed"'));
  assert.deepEqual(unexpected, []);
  assert.ok(node!.isRunning);
});
