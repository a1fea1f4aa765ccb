import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  FakeConnector,
  FakeLink,
  fakeCatalog,
  fakeServer,
  listing,
  OF_CALLERS,
  type Respond,
  recordingLogger,
  turns,
  turnsUntil,
} from '../../test/support/fakes.ts';
import type { DownstreamLink, DownstreamServer, OpenOptions, ServerHandshake } from '../downstream/port.ts';
import { parseMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { CatalogEntry } from './entry.ts';
import type { CatalogSharing } from './sharing.ts';
import type { ServerCatalog } from './types.ts';

const TTL_MS = 60_000;
const LIST_CHANGED = parseMessage('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}', 64);
const STDIO = { kind: 'stdio', command: 'x', args: [], env: {} } as const;

interface Setup {
  readonly known?: ServerCatalog;
  readonly sharing?: CatalogSharing;
  readonly server?: DownstreamServer;
  readonly respond?: Respond;
  readonly handshake?: Partial<ServerHandshake>;
  readonly open?: (link: FakeLink, options: OpenOptions) => DownstreamLink | Promise<DownstreamLink>;
}

/** An entry of a server that lists `tools`, in mocked time. */
function start(t: TestContext, setup: Setup = {}) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const tools = ['{"name":"a","inputSchema":{"type":"object"}}'];
  const links: FakeLink[] = [];
  const respond = setup.respond ?? listing({ tools: () => tools });
  const connector = new FakeConnector((server, options) => {
    const link = new FakeLink(server, respond, setup.handshake);
    links.push(link);
    return setup.open === undefined ? link : setup.open(link, options);
  });
  let changes = 0;
  const entry = new CatalogEntry(
    setup.server ?? fakeServer('files'),
    {
      connector,
      logger: recordingLogger(),
      clientCapabilities: { roots: {} },
      listTimeoutMs: 1000,
      ttlMs: TTL_MS,
      sharing: setup.sharing,
    },
    () => {
      changes++;
    },
    setup.known,
  );
  t.after(() => entry.close());
  return {
    entry,
    tools,
    links,
    connector,
    changes: () => changes,
    pass: (ms: number) => t.mock.timers.tick(ms),
    names: () => entry.catalog?.tools.map(({ key }) => key),
    fetches: () => links.reduce((sum, link) => sum + link.requests.length, 0),
    say: (message = LIST_CHANGED) => connector.opened.at(-1)?.options.listener.message(message),
  };
}

const down = () => new GatewayError(Code.DownstreamUnavailable, 'away');

test('a server is asked once, when it is needed, by as many as come', async (t) => {
  const { entry, connector, names, fetches, changes } = start(t);
  assert.equal(connector.opened.length, 0);
  await Promise.all([entry.ready(), entry.ready(), entry.refresh()]);
  await entry.ready();
  assert.deepEqual([connector.opened.length, fetches(), changes()], [1, 1, 1]);
  assert.deepEqual(names(), ['a']);
  assert.deepEqual(connector.opened[0]?.options.clientCapabilities, { roots: {} });
});

test('an HTTP server is asked again when its time is over', async (t) => {
  const http = start(t);
  await http.entry.ready();
  http.tools.push('{"name":"b","inputSchema":{"type":"object"}}');
  http.pass(TTL_MS - 1);
  await turns();
  assert.equal(http.fetches(), 1);
  http.pass(1);
  await turnsUntil(() => http.names()?.length === 2, 'the new tool');
});

test('a process is not asked again for the passing of time', async (t) => {
  const { entry, pass, fetches } = start(t, { server: fakeServer('p', { target: STDIO }) });
  await entry.ready();
  pass(10 * TTL_MS);
  await turns();
  assert.equal(fetches(), 1);
});

test('news of another list has it fetched again, a flood of news once', async (t) => {
  const { entry, tools, pass, fetches, names, say } = start(t);
  await entry.ready();
  tools.push('{"name":"b","inputSchema":{"type":"object"}}');
  for (let count = 0; count < 100; count++) say();
  await turns();
  assert.equal(fetches(), 1);
  pass(250);
  await turnsUntil(() => names()?.length === 2, 'the new tool');
  pass(1000);
  await turns();
  assert.equal(fetches(), 2);
});

test('news that comes while a list is fetched is not lost', async (t) => {
  const release: (() => void)[] = [];
  const setup = start(t, {
    respond: (request, sink) => {
      const text = listing({ tools: () => setup.tools })(request, sink);
      release.push(() => sink.answer(text ?? ''));
      return undefined;
    },
  });
  const ready = setup.entry.ready();
  await turnsUntil(() => release.length === 1, 'the first fetch');
  setup.tools.push('{"name":"b","inputSchema":{"type":"object"}}');
  setup.say();
  release[0]?.();
  await ready;
  assert.deepEqual(setup.names(), ['a']);
  await turns();
  setup.pass(250);
  await turnsUntil(() => release.length === 2, 'the second fetch');
  release[1]?.();
  await turnsUntil(() => setup.names()?.length === 2, 'the new tool');
});

test('a stream is opened only to a server that says when it changes', async (t) => {
  const quiet = start(t);
  await quiet.entry.ready();
  assert.equal(quiet.links[0]?.isListening, false);
});

test('a server that says when it changes is listened to', async (t) => {
  const { entry, links } = start(t, { handshake: { capabilities: { tools: { listChanged: true } } } });
  await entry.ready();
  assert.equal(links[0]?.isListening, true);
});

test('what a server asks is refused: nobody is behind this connection', async (t) => {
  const { entry, links, say } = start(t);
  await entry.ready();
  say(parseMessage('{"jsonrpc":"2.0","id":9,"method":"roots/list"}', 64));
  const [refusal] = links[0]?.sent ?? [];
  assert.ok(refusal?.kind === 'response' && refusal.id === 9 && refusal.error !== undefined);
});

test('what a server says before the connection is open does no harm', async (t) => {
  const { entry, names } = start(t, {
    open: async (link, { listener }) => {
      listener.message(parseMessage('{"jsonrpc":"2.0","id":9,"method":"roots/list"}', 64));
      listener.message(LIST_CHANGED);
      return link;
    },
  });
  await entry.ready();
  assert.equal(entry.error, undefined);
  assert.deepEqual(names(), ['a']);
});

test('a server that cannot be reached has an error and is tried again, later each time', async (t) => {
  let attempts = 0;
  const { entry, pass, names } = start(t, {
    open: (link) => {
      attempts++;
      if (attempts <= 3) throw down();
      return link;
    },
  });
  await entry.ready();
  assert.equal(entry.error?.code, Code.DownstreamUnavailable);
  assert.notEqual(entry.checkedAt, undefined);
  pass(499);
  await turns();
  assert.equal(attempts, 1);
  pass(501);
  await turnsUntil(() => attempts === 2, 'the second attempt');
  await turns();
  pass(999);
  await turns();
  assert.equal(attempts, 2);
  pass(1001);
  await turnsUntil(() => attempts === 3, 'the third attempt');
  await turns();
  pass(4000);
  await turnsUntil(() => names() !== undefined, 'the list');
  assert.equal(entry.error, undefined);
});

test('a server that fails keeps its last lists for one time-to-live, counted from its first failure', async (t) => {
  let isDown = false;
  const respond: Respond = (request, sink) => {
    if (!isDown)
      return listing({ tools: () => ['{"name":"a","inputSchema":{"type":"object"}}'] })(request, sink);
    sink.fail(down());
    return undefined;
  };
  const { entry, links, pass, names } = start(t, { respond });
  await entry.ready();
  isDown = true;
  pass(TTL_MS);
  await turnsUntil(() => entry.error !== undefined, 'the failure');
  assert.deepEqual(names(), ['a'], 'the lists are gone at the first failure');
  // The connection that failed is given back, and every attempt has its own.
  await turnsUntil(() => links[0]?.closed === 1, 'the end of the first connection');
  for (let passed = 0; passed < TTL_MS - 1000; passed += 1000) {
    pass(1000);
    await turns();
    assert.deepEqual(names(), ['a'], `gone after ${passed} ms`);
  }
  for (let passed = 0; passed < TTL_MS + 2000; passed += 1000) {
    pass(1000);
    await turns();
  }
  assert.equal(names(), undefined);
  isDown = false;
  pass(TTL_MS);
  await turnsUntil(() => names() !== undefined, 'the lists to come back');
  assert.ok(links.length > 3);
  assert.deepEqual(
    links.slice(0, -1).map(({ closed }) => closed),
    links.slice(0, -1).map(() => 1),
  );
});

test('a process whose lists are old keeps them as well when it fails for the first time', async (t) => {
  let isDown = false;
  const { entry, names, pass } = start(t, {
    server: fakeServer('p', { target: STDIO }),
    respond: (request, sink) => {
      if (!isDown)
        return listing({ tools: () => ['{"name":"a","inputSchema":{"type":"object"}}'] })(request, sink);
      sink.fail(down());
      return undefined;
    },
  });
  await entry.ready();
  pass(100 * TTL_MS);
  isDown = true;
  await entry.refresh();
  assert.equal(entry.error?.message, 'away');
  assert.deepEqual(names(), ['a']);
});

test('what was known under an earlier record is used until the server has answered', async (t) => {
  const { entry, names } = start(t, { known: fakeCatalog({ tools: ['old'] }) });
  assert.deepEqual(names(), ['old']);
  await entry.ready();
  assert.deepEqual(names(), ['a']);
});

test('what is listed to a caller’s own token each node finds out by itself', async (t) => {
  const server = fakeServer('files', { target: OF_CALLERS });
  const { entry, names } = start(t, { server, sharing: {} as CatalogSharing });
  await entry.ready();
  assert.deepEqual(names(), ['a']);
});

test('a closed entry lets go of its connection, asks nobody and tells nobody', async (t) => {
  const { entry, links, pass, fetches, changes, say } = start(t);
  await entry.ready();
  await entry.close();
  assert.equal(links[0]?.closed, 1);
  say();
  pass(10 * TTL_MS);
  await turns();
  assert.deepEqual([fetches(), changes()], [1, 1]);
});

test('a connection that opens after the entry was closed is closed as well', async (t) => {
  const opening = Promise.withResolvers<void>();
  const { entry, links, changes } = start(t, {
    open: async (link) => {
      await opening.promise;
      return link;
    },
  });
  const ready = entry.ready();
  await turnsUntil(() => links.length === 1, 'the attempt');
  await entry.close();
  opening.resolve();
  await ready;
  assert.equal(links[0]?.closed, 1);
  assert.equal(changes(), 0);
});

test('a connection that does not close in peace fails nobody', async (t) => {
  const { entry } = start(t, {
    respond: (_request, sink) => {
      sink.fail(down());
      return undefined;
    },
    open: (link) => {
      link.close = () => Promise.reject(new Error('broken pipe'));
      return link;
    },
  });
  await entry.ready();
  assert.equal(entry.error?.message, 'away');
  await entry.close();
});
