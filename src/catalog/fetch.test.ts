import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { FakeLink, fakeServer, listing, type Respond } from '../../test/support/fakes.ts';
import { holeAt } from '../../test/support/json-text.ts';
import type { ServerHandshake } from '../downstream/port.ts';
import { errorText, isObject, own, resultText } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { type FetchOptions, fetchCatalog } from './fetch.ts';

const ALL = { tools: {}, resources: {}, prompts: {} };

function fetch(
  respond: Respond,
  handshake: Partial<ServerHandshake> = { capabilities: ALL },
  options: Partial<FetchOptions> = {},
) {
  const link = new FakeLink(fakeServer('files'), respond, handshake);
  const catalog = fetchCatalog(link, {
    listTimeoutMs: 1000,
    signal: new AbortController().signal,
    ...options,
  });
  return { link, catalog };
}

const tool = (name: string) => JSON.stringify({ name, inputSchema: { type: 'object' } });

/** Pages by their cursor; the first has the cursor `undefined`. */
function paged(pages: ReadonlyMap<unknown, string>): Respond {
  return ({ id, params }) => {
    const page = pages.get(isObject(params) ? own(params, 'cursor') : undefined);
    return page === undefined ? errorText(id, -32602, 'bad cursor') : resultText(id, page);
  };
}

const onlyTools = { capabilities: { tools: {} } };

test('each list is fetched that the server says it has, and no other', async () => {
  const respond = listing({
    tools: () => [tool('a'), tool('b')],
    prompts: () => ['{"name":"p"}'],
    resources: () => ['{"name":"r","uri":"u:1"}'],
    resourceTemplates: () => ['{"name":"t","uriTemplate":"u:{x}"}'],
  });
  const all = await fetch(respond, { capabilities: ALL, instructions: 'Read me.' }).catalog;
  const keys = [all.tools, all.prompts, all.resources, all.resourceTemplates].map((list) =>
    list.map(({ key }) => key),
  );
  assert.deepEqual(keys, [['a', 'b'], ['p'], ['u:1'], ['u:{x}']]);
  assert.equal(all.instructions, 'Read me.');
  const { link, catalog } = fetch(respond, { capabilities: { prompts: {}, __proto__: ALL } });
  assert.equal((await catalog).prompts.length, 1);
  assert.deepEqual(
    link.requests.map(({ method }) => method),
    ['prompts/list'],
  );
});

test('entries are kept byte for byte, with the place of their name', async () => {
  await fc.assert(
    fc.asyncProperty(holeAt(['x']), async ({ before, after }) => {
      const text = `{"inputSchema":{"type":"object"}, "x": ${before}1e400${after} ,"n\\u0061me" : "a\\u0062" }`;
      const { tools } = await fetch(listing({ tools: () => [tool('first'), text] }), onlyTools).catalog;
      const entry = tools[1];
      assert.ok(entry !== undefined);
      assert.deepEqual([entry.key, entry.text], ['ab', text]);
      assert.equal(text.slice(entry.keySpan.start, entry.keySpan.end), '"a\\u0062"');
    }),
    { numRuns: 50 },
  );
});

test('pages are followed to the last, an empty cursor too', async () => {
  const pages = new Map<unknown, string>([
    [undefined, `{"tools":[${tool('a')}],"nextCursor":""}`],
    ['', `{"nextCursor":"2","tools":[${tool('b')},${tool('a')}]}`],
    ['2', `{"tools":[${tool('c')}],"nextCursor":null}`],
  ]);
  const { tools } = await fetch(paged(pages), onlyTools).catalog;
  assert.deepEqual(
    tools.map(({ key }) => key),
    ['a', 'b', 'c'],
  );
});

test('a server that pages on and on is stopped', async () => {
  let page = 0;
  const endless: Respond = ({ id }) => resultText(id, `{"tools":[],"nextCursor":"${++page}"}`);
  await assert.rejects(fetch(endless, onlyTools).catalog, {
    code: Code.DownstreamProtocol,
    message: /has no end/,
  });
  assert.ok(page <= 1000);
  // The same cursor again would be the same page again.
  const stuck: Respond = ({ id }) => resultText(id, `{"tools":[${tool('a')}],"nextCursor":"x"}`);
  const { link, catalog } = fetch(stuck, onlyTools);
  assert.equal((await catalog).tools.length, 1);
  assert.equal(link.requests.length, 2);
});

test('what has no usable name is left out, and of two with one name the first counts', async () => {
  const entries = [
    'null',
    '1',
    '[]',
    '{}',
    '{"name":1}',
    '{"name":""}',
    '{"name":"twice","name":"twice","inputSchema":{"type":"object"}}',
    '{"name":"a","title":"first","inputSchema":{"type":"object"}}',
    '{"name":"a","title":"second","inputSchema":{"type":"object"}}',
    '{"__proto__":{"name":"b"},"inputSchema":{"type":"object"}}',
    tool('__proto__'),
  ];
  const { tools } = await fetch(listing({ tools: () => entries }), onlyTools).catalog;
  assert.deepEqual(
    tools.map(({ key, entry }) => [key, entry.title]),
    [
      ['a', 'first'],
      ['__proto__', undefined],
    ],
  );
});

test('what clients could not read is left out and told once for its list', async () => {
  const told: unknown[] = [];
  const { catalog } = fetch(
    listing({ tools: () => [tool('good'), '{"name":"bad"}', '{"name":"worse","inputSchema":[]}'] }),
    onlyTools,
    { onLeftOut: (...args) => told.push(args) },
  );
  assert.deepEqual(
    (await catalog).tools.map(({ key }) => key),
    ['good'],
  );
  assert.deepEqual(told, [
    ['tools', 2, 'worse: inputSchema: Invalid input: expected object, received array'],
  ]);
});

test('a list that the server does not know after all is empty', async () => {
  const { resources, resourceTemplates } = await fetch(
    listing({ resources: () => ['{"name":"r","uri":"u:1"}'] }),
    {
      capabilities: { resources: {} },
    },
  ).catalog;
  assert.deepEqual([resources.length, resourceTemplates.length], [1, 0]);
});

test('an answer without its list is a fault that names the server and the method', async () => {
  for (const result of [
    '{}',
    '{"tools":{}}',
    '[]',
    'null',
    '{"tools":[],"tools":[]}',
    '{"__proto__":{"tools":[]}}',
  ]) {
    await assert.rejects(
      fetch(({ id }) => resultText(id, result), onlyTools).catalog,
      { code: Code.DownstreamProtocol, message: /"files": tools\/list answered without "tools"/ },
      result,
    );
  }
  await assert.rejects(fetch(({ id }) => errorText(id, -32603, 'boom'), onlyTools).catalog, {
    code: Code.DownstreamProtocol,
    message: 'Server "files": tools/list failed: boom',
  });
});

test('what keeps a server from answering comes through as it is', async () => {
  const error = new GatewayError(Code.DownstreamUnavailable, 'away');
  const { catalog } = fetch((_request, sink) => {
    sink.fail(error);
    return undefined;
  });
  await assert.rejects(catalog, error);
});

test('all pages of a list share its time', async (t) => {
  t.mock.timers.enable({ apis: ['Date'] });
  const respond: Respond = ({ id, params }) => {
    t.mock.timers.tick(400);
    return resultText(id, params === undefined ? '{"tools":[],"nextCursor":"2"}' : '{"tools":[]}');
  };
  const { link, catalog } = fetch(respond, onlyTools);
  await catalog;
  assert.deepEqual(link.deadlines, [
    { idleMs: 1000, totalMs: 1000 },
    { idleMs: 600, totalMs: 600 },
  ]);
});

test('an abort ends the fetch', async () => {
  const abort = new AbortController();
  const { link, catalog } = fetch(() => undefined, { capabilities: ALL }, { signal: abort.signal });
  abort.abort();
  await assert.rejects(catalog, { code: Code.Cancelled });
  assert.equal(link.cancelled.length, link.requests.length);
});
