import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { away, type CatalogNode, startCatalogNodes } from '../../test/support/catalog-nodes.ts';
import { fakeServer, OWNER } from '../../test/support/fakes.ts';
import { until } from '../../test/support/wait.ts';
import { MemoryCatalogStore } from '../coordination/memory/catalog-store.ts';
import { MemoryLeases } from '../coordination/memory/leases.ts';
import { scopeOf } from './kind.ts';

type Entry = ReturnType<CatalogNode['entry']>;

/** An entry for the same server on each of three nodes, the first of which watches. */
async function start(t: TestContext, options?: Parameters<typeof startCatalogNodes>[2]) {
  const cluster = await startCatalogNodes(t, 3, options);
  const entries = cluster.nodes.map((node) => node.entry());
  await entries[0]!.ready();
  await Promise.all(entries.map((entry) => entry.ready()));
  return { ...cluster, entries };
}

const allHave = (entries: readonly Entry[], names: string) =>
  until(() => entries.every((entry) => entry.names() === names), { what: `${names} on all nodes` });

describe('a server that several nodes need', { concurrency: true }, () => {
  test('is asked by one of them, and all know what it lists', async (t) => {
    const { server, nodes } = await startCatalogNodes(t, 3);
    const entries = nodes.map((node) => node.entry());
    await Promise.all(entries.flatMap((entry) => [entry.ready(), entry.ready()]));
    assert.deepEqual([server.attempts, server.fetches], [1, 1]);
    assert.deepEqual(
      entries.map((entry) => entry.names()),
      ['a', 'a', 'a'],
    );
    assert.deepEqual(
      entries.map(({ checkedAt }) => checkedAt),
      entries.map(() => entries[0]!.checkedAt),
    );
  });

  test('is asked on behalf of each owner, revision and kind of client', async (t) => {
    const { server, nodes } = await startCatalogNodes(t, 2);
    const entries = nodes.flatMap((node) => [
      node.entry(),
      node.entry(fakeServer('files', { owner: { tenantId: 'default', userId: 'eve' } })),
      node.entry(fakeServer('files', { owner: { tenantId: 'other', userId: 'local' } })),
      node.entry(fakeServer('files', { revision: 2 })),
      node.entry(fakeServer('other')),
      node.entry(fakeServer('files'), { roots: {} }),
    ]);
    await Promise.all(entries.map((entry) => entry.ready()));
    assert.equal(server.fetches, 6);
    assert.equal(new Set(server.links.map(({ link }) => link)).size, 6);
  });

  test('lists other things, and every node hears of it once', async (t) => {
    const { server, entries } = await start(t);
    const before = entries.map((entry) => entry.changes());
    server.change('a', 'b');
    await allHave(entries, 'a b');
    server.change('c');
    await allHave(entries, 'c');
    assert.equal(server.fetches, 3);
    assert.deepEqual(
      entries.map((entry, n) => entry.changes() - before[n]!),
      [2, 2, 2],
    );
  });

  test('is watched by another node when the one that did is killed', async (t) => {
    const { server, nodes, entries } = await start(t, { leaseTtlMs: 2500 });
    nodes[0]!.kill();
    await until(() => server.open.length === 1, { what: 'another node to watch' });
    server.change('a', 'b');
    await allHave(entries.slice(1), 'a b');
    assert.equal(server.open.length, 1);
    assert.equal(entries[0]!.names(), 'a');
  });

  test('is asked by another node when the one that asks first is killed meanwhile', async (t) => {
    const { server, nodes } = await startCatalogNodes(t, 3, { leaseTtlMs: 2500 });
    const never = Promise.withResolvers<void>();
    t.after(() => never.resolve());
    server.gate = never.promise;
    const entries = nodes.map((node) => node.entry());
    void entries[0]!.ready();
    await until(() => server.attempts === 1, { what: 'the first node to ask' });
    server.gate = Promise.resolve();
    nodes[0]!.kill();
    await Promise.all(entries.slice(1).map((entry) => entry.ready()));
    assert.deepEqual(
      entries.slice(1).map((entry) => entry.names()),
      ['a', 'a'],
    );
    assert.equal(server.fetches, 1);
  });

  test('is left to another node by one that is about to stop, which reads on', async (t) => {
    const { server, nodes, entries } = await start(t);
    await nodes[0]!.sharing.retire();
    await until(() => server.open.some(({ node }) => node !== nodes[0]), { what: 'another node to watch' });
    server.change('a', 'b');
    await allHave(entries, 'a b');
    assert.equal(server.open.length, 1);
    // The last one to go has nobody to leave it to.
    await nodes[1]!.sharing.retire();
    await nodes[2]!.sharing.retire();
    const late = nodes[2]!.entry(fakeServer('late'));
    await late.ready();
    assert.equal(late.names(), 'a b');
  });

  test('is watched by another node when the one that did has no use for it any more', async (t) => {
    const { server, entries } = await start(t);
    await entries[0]!.close();
    await until(() => server.open.length === 1, { what: 'another node to watch' });
    server.change('b');
    await allHave(entries.slice(1), 'b');
    assert.equal(entries[0]!.names(), 'a');
  });

  test('is asked anew by a node that lets go of it and wants it back at once', async (t) => {
    const { server, nodes } = await startCatalogNodes(t, 1);
    const first = nodes[0]!.entry();
    await first.ready();
    const closed = first.close();
    server.tools = ['b'];
    const second = nodes[0]!.entry();
    await Promise.all([closed, second.ready()]);
    assert.equal(second.names(), 'b');
    await until(() => server.open.length === 1, { what: 'the first connection to be closed' });
    server.change('c');
    await allHave([second], 'c');
  });

  test('is asked anew by the node that watches, whichever node wants it', async (t) => {
    const { server, entries } = await start(t);
    server.tools = ['a', 'b'];
    await entries[2]!.refresh();
    assert.equal(entries[2]!.names(), 'a b');
    server.tools = ['c'];
    await Promise.all([entries[1]!.refresh(), entries[2]!.refresh()]);
    assert.deepEqual([entries[1]!.names(), entries[2]!.names()], ['c', 'c']);
    await allHave(entries, 'c');
    assert.equal(server.links.length, 1);
    server.down = away();
    server.open[0]!.link.request = (_request, sink) => {
      sink.fail(away());
      return () => {};
    };
    await entries[1]!.refresh();
    assert.equal(entries[1]!.error?.message, away().message);
  });

  test('is asked anew all the same where the node that watched has been killed', async (t) => {
    const { server, nodes, entries } = await start(t, { leaseTtlMs: 2500 });
    nodes[0]!.kill();
    server.tools = ['a', 'b'];
    await Promise.all(entries.slice(1).map((entry) => entry.refresh()));
    assert.deepEqual(
      entries.slice(1).map((entry) => entry.names()),
      ['a b', 'a b'],
    );
    await until(() => server.open.length === 1, { what: 'one node to watch' });
  });

  test('is asked again for a change that only another node has heard of, a flood of news twice at most', async (t) => {
    const { server, entries } = await start(t);
    server.tools = ['a', 'b'];
    for (let n = 0; n < 100; n++) for (const entry of entries.slice(1)) entry.changed();
    await allHave(entries, 'a b');
    assert.ok(server.fetches <= 3, `${server.fetches} fetches`);
  });

  test('fails for all nodes alike, and one of them tries again', async (t) => {
    const { server, nodes } = await startCatalogNodes(t, 3);
    server.down = away();
    const entries = nodes.map((node) => node.entry());
    await Promise.all(entries.map((entry) => entry.ready()));
    for (const { error, checkedAt } of entries) {
      assert.equal(error?.message, away().message);
      assert.equal(error?.code, away().code);
      assert.deepEqual(checkedAt, entries[0]!.checkedAt);
    }
    assert.equal(server.attempts, 1);
    server.down = undefined;
    await allHave(entries, 'a');
    assert.equal(server.attempts, 2);
    for (const { error } of entries) assert.equal(error, undefined);
  });

  test('is asked again when its lists have had their time, by the node that watches', async (t) => {
    const { server, nodes, entries } = await start(t, { ttlMs: 1000 });
    await until(() => Date.now() - entries[0]!.checkedAt!.getTime() > 1000 || server.fetches > 1, {
      what: 'their time to be over',
    });
    server.tools = ['b'];
    await nodes[1]!.sharing.refreshStale();
    await allHave(entries, 'b');
    assert.equal(server.links.length, 1);
  });

  test('is followed again after messages were missed', async (t) => {
    const { server, nodes, entries } = await start(t);
    nodes[2]!.isAway = true;
    server.change('a', 'b');
    await allHave(entries.slice(0, 2), 'a b');
    assert.equal(entries[2]!.names(), 'a');
    nodes[2]!.back();
    await allHave(entries, 'a b');
  });
});

describe('a catalog that a node cannot read', { concurrency: true }, () => {
  for (const [what, body] of [
    ['since it is too large to be shared', 'private'],
    ['since it is damaged', { digest: 'x', bytes: Buffer.from('damaged') }],
  ] as const) {
    test(`${what}: the node asks the server for itself, until it can`, async (t) => {
      const { hub, server, nodes } = await startCatalogNodes(t, 2);
      const watching = nodes[0]!.entry();
      await watching.ready();
      const key = { serverId: 'files', revision: 1, scope: scopeOf(OWNER, {}) };
      const store = new MemoryCatalogStore(hub);
      await until(() => store.lastCheck('files'), { what: 'the catalog to be stored' });
      const lease = await new MemoryLeases(hub).holder(`watch:files:1:${key.scope}`);
      const check = { checkedAt: Date.now() };
      await store.write(key, { token: lease!.token, check, capabilities: {}, body }, 60_000);
      const other = nodes[1]!.entry();
      await other.ready();
      assert.equal(other.names(), 'a');
      assert.equal(server.open.length, 2);
      server.change('b');
      await allHave([watching, other], 'b');
      await until(() => server.open.length === 1, { what: 'one node to watch' });
    });
  }
});

describe('while the store is away', { concurrency: true }, () => {
  test('nodes go on with what they have, and one that watched does so still', async (t) => {
    const { server, nodes, entries } = await start(t);
    for (const node of nodes) node.isAway = true;
    server.change('a', 'b');
    await allHave(entries.slice(0, 1), 'a b');
    assert.deepEqual([entries[1]!.names(), server.open.length], ['a', 1]);
    for (const node of nodes) node.back();
    await allHave(entries, 'a b');
    await until(() => server.open.length === 1, { what: 'one node to watch' });
  });

  test('a node that has nothing asks for itself, and does so no more when it is back', async (t) => {
    const { server, nodes } = await startCatalogNodes(t, 3);
    for (const node of nodes) node.isAway = true;
    const entries = nodes.map((node) => node.entry());
    await Promise.all(entries.map((entry) => entry.ready()));
    assert.equal(server.open.length, 3);
    server.change('a', 'b');
    await allHave(entries, 'a b');
    for (const node of nodes) node.back();
    await until(() => server.open.length === 1, { what: 'one node to watch' });
    server.change('c');
    await allHave(entries, 'c');
  });

  test('a node asks for itself where it is told to, or knows that its lists are old', async (t) => {
    const { server, nodes, entries } = await start(t);
    for (const node of nodes) node.isAway = true;
    server.tools = ['a', 'b'];
    await entries[1]!.refresh();
    assert.equal(entries[1]!.names(), 'a b');
    entries[2]!.changed();
    await allHave(entries.slice(1), 'a b');
    for (const node of nodes) node.back();
    await until(() => server.open.length === 1, { what: 'one node to watch' });
    // The one that watched all the time has not heard of it.
    await allHave(entries, 'a b');
  });

  test('the lists of a node that nobody can be asked about are renewed when they are old', async (t) => {
    const { server, nodes, entries } = await start(t, { ttlMs: 1000 });
    nodes[1]!.isAway = true;
    server.tools = ['b'];
    await allHave(entries, 'b');
    nodes[1]!.back();
    await until(() => server.open.length === 1, { what: 'one node to watch' });
  });
});
