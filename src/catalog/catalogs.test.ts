import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { away, startCatalogNodes } from '../../test/support/catalog-nodes.ts';
import { fakeRecord, OWNER } from '../../test/support/fakes.ts';
import { until } from '../../test/support/wait.ts';
import type { ChangedLists } from './view.ts';

const RECORD = fakeRecord('files');

describe('catalogs of several nodes', { concurrency: true }, () => {
  test('clients at every node hear once that a list is another, and of nothing where it is the same', async (t) => {
    const { server, nodes } = await startCatalogNodes(t, 3);
    const views = nodes.map((node) => node.catalogs().view(OWNER, {}));
    const news: ChangedLists[][] = views.map(() => []);
    await Promise.all(views.map((view) => view.snapshot()));
    for (const [n, view] of views.entries()) view.onChange((changed) => news[n]!.push(changed));
    const told = (count: number) =>
      until(() => news.every(({ length }) => length >= count), { what: `news ${count}` });
    server.change('a', 'b');
    await told(1);
    for (const view of views) assert.deepEqual([...view.current!.tools.keys()], ['files__a', 'files__b']);
    // The same again, and something else: what is the same is no news.
    const { fetches } = server;
    server.change('a', 'b');
    await until(() => server.fetches > fetches, { what: 'the server to be asked' });
    server.change('c');
    await told(2);
    const changed = { tools: true, prompts: false, resources: false };
    assert.deepEqual(
      news,
      views.map(() => [changed, changed]),
    );
  });

  test('a server is as well or ill at every node, also at one that has no use for it', async (t) => {
    const { server, nodes } = await startCatalogNodes(t, 3);
    const catalogs = nodes.map((node) => node.catalogs());
    const checks = () => Promise.all(catalogs.map((each) => each.lastCheck(RECORD)));
    assert.deepEqual(await checks(), [undefined, undefined, undefined]);
    await catalogs[0]!.view(OWNER, { roots: {} }).snapshot();
    const known = async (error: string | undefined) => {
      const [first, ...others] = await checks();
      assert.deepEqual(others, [first, first]);
      return first?.checkedAt !== undefined && first.error === error;
    };
    await until(() => known(undefined), { what: 'good health at every node' });
    server.down = away();
    await catalogs[1]!.view(OWNER, { sampling: {} }).snapshot();
    await until(() => known(away().message), { what: 'bad health at every node' });
    // Of a record that has changed since, nothing is known.
    for (const each of catalogs)
      assert.equal(await each.lastCheck(fakeRecord('files', { revision: 2 })), undefined);
  });

  test('what a node has seen itself is told while the store is away', async (t) => {
    const { nodes } = await startCatalogNodes(t, 2);
    const [own, other] = nodes.map((node) => node.catalogs());
    await own!.operatorView(OWNER).snapshot();
    await until(() => other!.lastCheck(RECORD), { what: 'the server to be known at the other node' });
    for (const node of nodes) node.isAway = true;
    assert.equal((await own!.lastCheck(RECORD))?.error, undefined);
    assert.ok(await own!.lastCheck(RECORD));
    assert.equal(await other!.lastCheck(RECORD), undefined);
  });

  test('an operator looks as the clients do that are there, at whichever node they are', async (t) => {
    const { server, nodes } = await startCatalogNodes(t, 2);
    const [clients, operators] = nodes.map((node) => node.catalogs());
    const view = clients!.view(OWNER, { roots: {} });
    view.users++;
    await view.snapshot();
    await until(() => operators!.lastCheck(RECORD), { what: 'the server to be known at the other node' });
    const seen = await operators!.operatorViewOf(RECORD);
    assert.notEqual(seen, view);
    server.tools = ['a', 'b'];
    const entry = await seen.entry('files', true);
    assert.equal(entry?.catalog?.tools.length, 2);
    await until(() => view.current?.tools.size === 2, { what: 'clients to have it' });
    assert.equal(server.links.length, 1);
    assert.equal(await clients!.operatorViewOf(RECORD), view);
  });

  test('lists that have had their time are asked for anew, each by the node that watches', async (t) => {
    const { server, nodes } = await startCatalogNodes(t, 2, { ttlMs: 300 });
    const catalogs = nodes.map((node) => node.catalogs());
    const views = catalogs.map((each) => each.view(OWNER, {}));
    await Promise.all(views.map((view) => view.snapshot()));
    server.tools = ['b'];
    await until(
      async () => {
        await catalogs[0]!.refreshStale();
        return views.every((view) => view.current?.tools.has('files__b'));
      },
      { what: 'both nodes to have it' },
    );
    assert.equal(server.links.length, 1);
  });
});
