import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fakeCatalog, fakeServer, listed } from '../../test/support/fakes.ts';
import { holeAt } from '../../test/support/json-text.ts';
import { collisionName, publicName } from '../protocol/names.ts';
import { aliasUri, buildSnapshot, resourceCandidates, type Snapshot, type Source } from './snapshot.ts';

const LEGAL = /^[A-Za-z0-9_-]{1,64}$/;

interface Registered {
  readonly prefix: string;
  readonly names: readonly string[];
  readonly uris: readonly string[];
}

function sourcesOf(servers: readonly Registered[]): Source[] {
  return servers.map(({ prefix, names, uris }, index) => ({
    server: fakeServer(`s${index}`, { prefix, ordinal: index }),
    catalog: fakeCatalog({ tools: names, prompts: names, resources: uris, resourceTemplates: uris }),
  }));
}

/** Names close enough to each other to collide: by the prefix's end, by what is not legal, by their length. */
const prefix = fc.constantFrom('', 'a', 'a__b', 'a_', 'b', '_', 'ä', 'n'.repeat(62));
const name = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'b', '_', '.'), minLength: 1, maxLength: 5 }),
  fc.constantFrom('b__c', 'c', 'n'.repeat(64), 'n'.repeat(65), 'n'.repeat(66), 'ä', 'ö', '😀', ' '),
);
/** Among them what looks like our own aliases and collision names. */
const uri = fc.constantFrom(
  'u:1',
  'u:2',
  aliasUri('s1', 'u:1'),
  aliasUri('s2', 'u:1'),
  aliasUri('s1', 'u:2'),
);
const server = fc.record({
  prefix,
  names: fc.uniqueArray(
    fc.oneof(name, fc.constantFrom(collisionName('a', 's1', 'a'), collisionName('a__a', 's2', 'a'))),
    { maxLength: 6 },
  ),
  uris: fc.uniqueArray(uri, { maxLength: 4 }),
});
const servers = fc.array(server, { maxLength: 5 });

function namesOf(snapshot: Snapshot, list: 'tools' | 'prompts' | 'resources' | 'templates') {
  return new Map(
    [...snapshot[list]].map(([publicName, route]) => [publicName, `${route.server.id} ${route.key}`]),
  );
}

test('any servers with any tools: names are legal and unique, and each leads to its own tool', async () => {
  await fc.assert(
    fc.asyncProperty(servers, async (all) => {
      const { tools, prompts } = await buildSnapshot(sourcesOf(all), 1000);
      for (const routes of [tools, prompts]) {
        for (const publicName of routes.keys()) assert.match(publicName, LEGAL);
        const targets = [...routes.values()].map(({ server, key }) => `${server.id} ${key}`);
        assert.equal(new Set(targets).size, targets.length);
        assert.equal(targets.length, all.flatMap(({ names }) => names).length);
      }
    }),
    { numRuns: 300 },
  );
});

test('names are stable: the same servers give the same names, and one that is registered later changes none', async () => {
  await fc.assert(
    fc.asyncProperty(servers, server, async (all, later) => {
      const before = await buildSnapshot(sourcesOf(all), 1000);
      const again = await buildSnapshot(sourcesOf(all), 7);
      const after = await buildSnapshot(sourcesOf([...all, later]), 1000);
      for (const list of ['tools', 'prompts', 'resources', 'templates'] as const) {
        const names = namesOf(before, list);
        assert.deepEqual(namesOf(again, list), names);
        const newNames = namesOf(after, list);
        for (const [publicName, target] of names) assert.equal(newNames.get(publicName), target);
      }
    }),
    { numRuns: 300 },
  );
});

test('a server that is down changes no name of those registered before it, and has no entries itself', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(server, { minLength: 1, maxLength: 5 }), fc.nat(), async (all, which) => {
      const sources = sourcesOf(all);
      const at = which % all.length;
      const down = sources.map((source, index) =>
        index === at ? { ...source, catalog: undefined } : source,
      );
      const names = namesOf(await buildSnapshot(down, 1000), 'tools');
      for (const [publicName, target] of namesOf(await buildSnapshot(sources.slice(0, at), 1000), 'tools')) {
        assert.equal(names.get(publicName), target);
      }
      assert.ok([...names.values()].every((target) => !target.startsWith(`s${at} `)));
    }),
  );
});

test('an entry is listed as the server wrote it, but for its name', async () => {
  await fc.assert(
    fc.asyncProperty(holeAt(['name']), async ({ before, after }) => {
      const source: Source = {
        server: fakeServer('s', { prefix: 'p' }),
        catalog: fakeCatalog({}, { tools: [listed('name', `${before}"na\\u006de"${after}`)] }),
      };
      const { pages } = await buildSnapshot([source], 1000);
      assert.equal(pages.tools.page(undefined), `{"tools":[${before}"p__name"${after}]}`);
      const plain = { ...source, server: fakeServer('s', { prefix: '' }) };
      assert.equal(
        (await buildSnapshot([plain], 1000)).pages.tools.page(undefined),
        `{"tools":[${before}"na\\u006de"${after}]}`,
      );
    }),
  );
});

test('entries come in the order of servers, and within a server in its own', async () => {
  const sources = sourcesOf([
    { prefix: 'z', names: ['b', 'a'], uris: [] },
    { prefix: 'y', names: ['c'], uris: [] },
  ]);
  assert.deepEqual([...(await buildSnapshot(sources, 1000)).tools.keys()], ['z__b', 'z__a', 'y__c']);
});

test('of two servers that claim one name the earlier keeps it; of two with one URI the later gets an alias', async () => {
  const sources = sourcesOf([
    { prefix: 'a', names: ['b__c'], uris: ['u:1'] },
    { prefix: 'a__b', names: ['c'], uris: ['u:1'] },
  ]);
  const snapshot = await buildSnapshot(sources, 1000);
  assert.equal(snapshot.tools.get('a__b__c')?.server.id, 's0');
  assert.equal(snapshot.tools.get(collisionName(publicName('a__b', 'c'), 's1', 'c'))?.server.id, 's1');
  assert.equal(snapshot.resources.get('u:1')?.server.id, 's0');
  assert.equal(snapshot.resources.get('dragon://s1/u:1')?.key, 'u:1');
  assert.match(snapshot.pages.resources.page(undefined).toString(), /\{"uri":"dragon:\/\/s1\/u:1"\}/);
});

test('nobody can take a name or a URI away by listing it first', async () => {
  const squatted = collisionName('b', 's1', 'b');
  const sources = sourcesOf([
    { prefix: '', names: ['b', squatted], uris: ['u:1', aliasUri('s1', 'u:1')] },
    { prefix: '', names: ['b'], uris: ['u:1'] },
  ]);
  const { tools, resources } = await buildSnapshot(sources, 1000);
  assert.deepEqual(
    [...tools.values()].map(({ server, key }) => [server.id, key]),
    [
      ['s0', 'b'],
      ['s0', squatted],
      ['s1', 'b'],
    ],
  );
  assert.deepEqual(
    [...resources.values()].map(({ server, key }) => [server.id, key]),
    [
      ['s0', 'u:1'],
      ['s0', aliasUri('s1', 'u:1')],
      ['s1', 'u:1'],
    ],
  );
});

test('every URI that is listed leads to the server that lists it, under its own URI', async () => {
  await fc.assert(
    fc.asyncProperty(servers, async (all) => {
      const snapshot = await buildSnapshot(sourcesOf(all), 1000);
      for (const [uri, route] of snapshot.resources) {
        assert.deepEqual(resourceCandidates(snapshot, uri), [{ server: route.server, uri: route.key }]);
      }
    }),
  );
});

test('a URI that no list has goes by alias, by template, by scheme, and else to all that have resources', async () => {
  const source = (id: string, catalog: Source['catalog']): Source => ({ server: fakeServer(id), catalog });
  const snapshot = await buildSnapshot(
    [
      source('tools', fakeCatalog({ tools: ['a'] }, { capabilities: { tools: {} } })),
      source('down', undefined),
      source('files', fakeCatalog({ resources: ['file:///a'], resourceTemplates: ['repo://{owner}/x'] })),
      source('more', fakeCatalog({ resources: ['file:///b', 'db://t'] })),
    ],
    1000,
  );
  const candidates = (uri: string) =>
    resourceCandidates(snapshot, uri).map(({ server, uri }) => [server.id, uri]);
  assert.deepEqual(candidates('file:///a'), [['files', 'file:///a']]);
  assert.deepEqual(candidates('dragon://more/file:///a'), [['more', 'file:///a']]);
  assert.deepEqual(candidates('repo://me/x'), [['files', 'repo://me/x']]);
  assert.deepEqual(candidates('db://other'), [['more', 'db://other']]);
  assert.deepEqual(candidates('file:///c'), [
    ['files', 'file:///c'],
    ['more', 'file:///c'],
  ]);
  assert.deepEqual(candidates('new://x'), [
    ['files', 'new://x'],
    ['more', 'new://x'],
  ]);
  assert.deepEqual(candidates('no scheme'), [
    ['files', 'no scheme'],
    ['more', 'no scheme'],
  ]);
  assert.deepEqual(resourceCandidates(await buildSnapshot([], 10), 'file:///a'), []);
});
