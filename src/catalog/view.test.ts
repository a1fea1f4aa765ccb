import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  FakeConnector,
  FakeLink,
  fakeRecord,
  listing,
  OWNER,
  recordingLogger,
  turns,
  turnsUntil,
} from '../../test/support/fakes.ts';
import type { ServerRecord } from '../db/server-record.ts';
import type { DownstreamServer } from '../downstream/port.ts';
import { parseMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Snapshot } from './snapshot.ts';
import { CatalogView, type ChangedLists } from './view.ts';

const PATIENCE_MS = 1000;

/** A view of servers that each have one tool, named as the server; `slow` ones answer when they are let. */
function start(t: TestContext, ...names: readonly string[]) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  let records: readonly ServerRecord[] = names.map((name) => fakeRecord(name));
  const slow = new Map<string, PromiseWithResolvers<void>>();
  const broken = new Set<string>();
  const tools = new Map<string, string[]>();
  const links: FakeLink[] = [];
  const reads: (() => Promise<readonly ServerRecord[]>)[] = [];
  const connector = new FakeConnector(async (server: DownstreamServer) => {
    await slow.get(server.id)?.promise;
    if (broken.has(server.id)) throw new GatewayError(Code.DownstreamUnavailable, `${server.id} is away`);
    const link = new FakeLink(
      server,
      listing({
        tools: () =>
          (tools.get(server.id) ?? ['t']).map((name) =>
            JSON.stringify({ name, inputSchema: { type: 'object' } }),
          ),
      }),
    );
    links.push(link);
    return link;
  });
  const view = new CatalogView({
    owner: OWNER,
    connector,
    logger: recordingLogger(),
    kind: '{}',
    roles: [],
    clientCapabilities: {},
    listTimeoutMs: PATIENCE_MS,
    ttlMs: 60_000,
    pageSize: 100,
    builtin: undefined,
    servers: () => (reads.shift() ?? (async () => records))(),
  });
  t.after(() => view.close());
  const news: ChangedLists[] = [];
  view.onChange((changed) => news.push(changed));
  return {
    view,
    connector,
    links,
    broken,
    tools,
    news,
    /** Answers the next reads of the servers in place of the records as they are then. */
    reads,
    records: () => records,
    slow: (name: string) => slow.set(name, Promise.withResolvers<void>()),
    release: (name: string) => slow.get(name)?.resolve(),
    pass: (ms: number) => t.mock.timers.tick(ms),
    change: (next: readonly ServerRecord[]) => {
      records = next;
      return view.serversChanged();
    },
    say: (name: string) =>
      connector.opened
        .findLast(({ server }) => server.id === name)
        ?.options.listener.message(
          parseMessage('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}', 64),
        ),
  };
}

const toolsOf = (snapshot: Snapshot | undefined) => snapshot && [...snapshot.tools.keys()];

test('a snapshot has what all servers list, and is there at once from then on', async (t) => {
  const { view, connector } = start(t, 'a', 'b');
  assert.equal(view.current, undefined);
  const [snapshot, same] = await Promise.all([view.snapshot(), view.snapshot()]);
  assert.deepEqual(toolsOf(snapshot), ['a__t', 'b__t']);
  assert.deepEqual(toolsOf(same), ['a__t', 'b__t']);
  assert.equal(await view.snapshot(), view.current);
  assert.equal(connector.opened.length, 2);
});

test('disabled servers are not asked', async (t) => {
  const { view, connector, change } = start(t);
  await change([fakeRecord('a', { enabled: false }), fakeRecord('b')]);
  assert.deepEqual(toolsOf(await view.snapshot()), ['b__t']);
  assert.deepEqual(
    connector.opened.map(({ server }) => server.id),
    ['b'],
  );
  assert.equal(await view.entry('a', false), undefined);
});

test('a slow server holds up the others for its time only; what it lists later is news', async (t) => {
  const { view, slow, release, pass, news } = start(t, 'a', 'b');
  slow('b');
  const snapshot = view.snapshot();
  await turnsUntil(() => view.peek('a')?.catalog !== undefined, 'the first server');
  pass(PATIENCE_MS);
  const early = await snapshot;
  assert.deepEqual(toolsOf(early), ['a__t']);
  assert.equal(early.sources[1]?.catalog, undefined);
  release('b');
  await turnsUntil(() => news.length > 0, 'the news');
  assert.deepEqual(news, [{ tools: true, prompts: false, resources: false }]);
  assert.deepEqual(toolsOf(view.current), ['a__t', 'b__t']);
});

test('a server that fails is in the snapshot with its reason', async (t) => {
  const { view, broken } = start(t, 'a', 'b');
  broken.add('a');
  const { sources, tools } = await view.snapshot();
  assert.deepEqual(
    sources.map(({ error }) => error),
    ['a is away', undefined],
  );
  assert.deepEqual([...tools.keys()], ['b__t']);
});

test('servers that come and go are followed, and clients are told', async (t) => {
  const { view, change, news, links } = start(t, 'a');
  await view.snapshot();
  await change([fakeRecord('a'), fakeRecord('b')]);
  assert.deepEqual(toolsOf(view.current), ['a__t', 'b__t']);
  assert.equal(news.length, 1);
  await change([fakeRecord('b')]);
  assert.deepEqual(toolsOf(view.current), ['b__t']);
  assert.equal(news.length, 2);
  assert.equal(links.find(({ server }) => server.id === 'a')?.closed, 1);
});

test('what went is gone at once, what came waits for its answer and holds up nobody', async (t) => {
  const { view, change, slow, release, news } = start(t, 'a', 'b');
  await view.snapshot();
  slow('c');
  const changed = change([fakeRecord('b'), fakeRecord('c')]);
  await turnsUntil(() => view.current !== undefined, 'the snapshot without what went');
  assert.deepEqual(toolsOf(view.current), ['b__t']);
  assert.equal(news.length, 1);
  release('c');
  await changed;
  assert.deepEqual(toolsOf(view.current), ['b__t', 'c__t']);
});

test('a change that leaves the lists as they are is no news', async (t) => {
  const { view, change, news, connector } = start(t, 'a');
  await view.snapshot();
  await change([fakeRecord('a', { revision: 2 })]);
  assert.equal(connector.opened.length, 2);
  assert.deepEqual(toolsOf(view.current), ['a__t']);
  assert.deepEqual(news, []);
  assert.equal(view.current?.tools.get('a__t')?.server.revision, 2);
});

test('tools stay listed while a changed server is asked again, under its new prefix; but not those of another address', async (t) => {
  const { view, change, slow, release } = start(t, 'a');
  await view.snapshot();
  slow('a');
  const changed = change([fakeRecord('a', { revision: 2, toolPrefix: 'new' })]);
  await turnsUntil(() => view.current !== undefined, 'the snapshot meanwhile');
  assert.deepEqual(toolsOf(view.current), ['new__t']);
  release('a');
  await changed;
  slow('a');
  const target = { kind: 'http', url: 'http://elsewhere/mcp', headers: {} } as const;
  const moved = change([fakeRecord('a', { revision: 3, target })]);
  await turnsUntil(() => view.current !== undefined, 'the snapshot meanwhile');
  assert.deepEqual(toolsOf(view.current), []);
  release('a');
  await moved;
});

test('a server that is added while the first snapshot is made is in it', async (t) => {
  const { view, change, slow, release } = start(t, 'a');
  slow('a');
  const snapshot = view.snapshot();
  await turnsUntil(() => view.peek('a') !== undefined, 'the first server to be asked');
  await change([fakeRecord('a'), fakeRecord('b')]);
  release('a');
  assert.deepEqual(toolsOf(await snapshot), ['a__t', 'b__t']);
  assert.deepEqual(toolsOf(view.current), ['a__t', 'b__t']);
});

test('an older reading of the servers that arrives late does not undo a newer one', async (t) => {
  const { view, change, reads, records } = start(t, 'a');
  await view.snapshot();
  const late = Promise.withResolvers<readonly ServerRecord[]>();
  const before = records();
  reads.push(() => late.promise);
  const first = change([...before, fakeRecord('b')]);
  const second = change([...before, fakeRecord('b'), fakeRecord('c')]);
  await second;
  late.resolve(before);
  await first;
  await turns();
  assert.deepEqual(toolsOf(view.current), ['a__t', 'b__t', 'c__t']);
});

test('a change that could not be read is read by whoever asks next, and the old snapshot serves meanwhile', async (t) => {
  const { view, change, reads, slow, pass, release } = start(t, 'a');
  await view.snapshot();
  slow('b');
  const slowChange = change([fakeRecord('a'), fakeRecord('b')]);
  await turnsUntil(() => view.peek('b') !== undefined, 'the new server to be asked');
  const away = () => Promise.reject(new Error('database away'));
  reads.push(away, away);
  await assert.rejects(change([fakeRecord('a'), fakeRecord('b'), fakeRecord('c')]));
  pass(PATIENCE_MS);
  await slowChange;
  release('b');
  await turns();
  assert.deepEqual(toolsOf(await view.snapshot()), ['a__t', 'b__t']);
  assert.deepEqual(toolsOf(await view.snapshot()), ['a__t', 'b__t', 'c__t']);
});

test('a failure to read the servers is the caller’s to know, and the next one’s chance', async (t) => {
  const { view, reads } = start(t, 'a');
  reads.push(() => Promise.reject(new Error('database away')));
  await assert.rejects(view.snapshot(), /database away/);
  assert.deepEqual(toolsOf(await view.snapshot()), ['a__t']);
});

test('news of a server changes the snapshot, once for as many as come at the same time', async (t) => {
  const { view, tools, say, pass, news } = start(t, 'a', 'b');
  await view.snapshot();
  const before = view.current;
  tools.set('a', ['t', 'u']);
  tools.set('b', ['v']);
  say('a');
  say('b');
  pass(250);
  await turnsUntil(() => news.length > 0, 'the news');
  await turns();
  assert.deepEqual(toolsOf(view.current), ['a__t', 'a__u', 'b__v']);
  assert.ok(news.length <= 2);
  assert.deepEqual(toolsOf(before), ['a__t', 'b__t'], 'a snapshot must not change');
});

test('an operator’s look at one server asks it anew where that is wanted', async (t) => {
  const { view, links, tools } = start(t, 'a', 'b');
  const entry = await view.entry('a', false);
  assert.equal(entry?.catalog?.tools.length, 1);
  assert.equal(links.length, 1);
  tools.set('a', ['t', 'u']);
  assert.equal((await view.entry('a', false))?.catalog?.tools.length, 1);
  assert.equal((await view.entry('a', true))?.catalog?.tools.length, 2);
  assert.equal(await view.entry('x', true), undefined);
});

test('a closed view has no connections and hears of nothing', async (t) => {
  const { view, links, change, connector } = start(t, 'a', 'b');
  await view.snapshot();
  await view.close();
  assert.deepEqual(
    links.map(({ closed }) => closed),
    [1, 1],
  );
  await change([fakeRecord('c')]);
  assert.equal(connector.opened.length, 2);
  // Whoever still asks it gets an answer.
  await view.snapshot();
});

test('servers that could not be asked are asked again when told', async (t) => {
  const { view, connector, broken } = start(t, 'a', 'b');
  broken.add('a');
  assert.deepEqual([...(await view.snapshot()).tools.keys()], ['b__t']);
  broken.clear();
  const { length } = connector.opened;
  view.retry(({ name }) => name === 'b');
  assert.equal(connector.opened.length, length);
  view.retry(({ name }) => name === 'a');
  await turnsUntil(() => view.current?.tools.has('a__t') === true, 'the tool of a');
  assert.equal(connector.opened.length, length + 1);
});
