import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startCore } from '../../test/support/core.ts';
import { type Respond, request, requestOf, turns, turnsUntil } from '../../test/support/fakes.ts';
import { aliasUri } from '../catalog/snapshot.ts';
import { errorText, type RequestMessage, resultText } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';

/** Answers a read with contents that name the URI it was asked for. */
const reads: Respond = (asked) =>
  resultText(asked.id, JSON.stringify({ contents: [{ uri: paramsOf(asked).uri, text: 'x' }] }));

/** As the server sees them, which is by the text. */
function paramsOf(asked: RequestMessage | undefined): Readonly<Record<string, unknown>> {
  return JSON.parse(asked?.text ?? '').params;
}

const knows =
  (...uris: readonly string[]): Respond =>
  (asked, sink) =>
    uris.includes(String(paramsOf(asked).uri))
      ? reads(asked, sink)
      : errorText(asked.id, -32002, 'Resource not found');

const read = (uri: string, id: string | number = 1) => request('resources/read', { uri }, id);
const urisOf = (result: unknown) =>
  (result as { contents: { uri: string }[] }).contents.map(({ uri }) => uri);

test('a listed resource is read from its server, and the request and its answer stay byte for byte', async (t) => {
  const answer = '{"jsonrpc":"2.0","id":"a","result":{"contents":[{"uri":"u:1","n":12345678901234567890}]}}';
  const core = await startCore(t, {
    a: { resources: ['u:1'], respond: () => answer },
    b: { resources: ['u:2'] },
  });
  const text = '{"jsonrpc":"2.0","id":"a", "method":"resources/read","params":{"uri":"u:1","x":1e400}}';
  const sink = await core.ask(requestOf(text));
  assert.deepEqual(sink.answers, [answer]);
  assert.equal(core.link('a')?.requests.at(-1)?.text, text);
  assert.ok(core.link('b')?.requests.every(({ method }) => method.endsWith('/list')));
});

test('an alias is the server’s own URI to the server, and the alias to the client; nothing else changes', async (t) => {
  const alias = aliasUri('b', 'u:1');
  const answer = (uri: string) =>
    `{"jsonrpc":"2.0","id":1,"result":{"contents":[{"n":12345678901234567890, "uri":"${uri}","text":"é"},{"uri":"u:9"}, 1],"x":1e400}}`;
  const core = await startCore(t, {
    a: { resources: ['u:1'], respond: reads },
    b: { resources: ['u:1'], respond: () => answer('u:1') },
  });
  const sink = await core.ask(read(alias));
  assert.deepEqual(paramsOf(core.link('b')?.requests.at(-1)), { uri: 'u:1' });
  assert.deepEqual(sink.answers, [answer(alias)]);
});

test('an alias’s failures come through as they are', async (t) => {
  const errors = [
    '{"jsonrpc":"2.0","id":1,"error":{"code":-32002,"message":"gone"}}',
    '{"jsonrpc":"2.0","id":1,"result":{}}',
  ];
  for (const answer of errors) {
    const core = await startCore(t, {
      a: { resources: ['u:1'] },
      b: { resources: ['u:1'], respond: () => answer },
    });
    assert.deepEqual((await core.ask(read(aliasUri('b', 'u:1')))).answers, [answer]);
  }
});

test('a URI that matches a template goes to its server', async (t) => {
  const core = await startCore(t, {
    a: { resources: ['file:///a'], respond: reads },
    b: { resourceTemplates: ['repo://{owner}/x'], respond: reads },
  });
  assert.deepEqual(urisOf((await core.ask(read('repo://me/x'))).answered.result), ['repo://me/x']);
  assert.equal(core.link('b')?.requests.at(-1)?.method, 'resources/read');
});

test('a URI that nobody lists is asked of all that have resources: the first in order that knows it answers', async (t) => {
  const core = await startCore(t, {
    a: { resources: ['a:1'], respond: knows('x:1') },
    b: { resources: ['b:1'], respond: knows('x:1', 'x:2') },
    c: { tools: ['t'], respond: knows('x:1') },
  });
  const first = await core.ask(read('x:1'));
  assert.deepEqual(urisOf(first.answered.result), ['x:1']);
  const second = await core.ask(read('x:2'));
  assert.deepEqual(urisOf(second.answered.result), ['x:2']);
  assert.ok(core.link('c')?.requests.every(({ method }) => method.endsWith('/list')));
  assert.equal(core.session.inFlight.size, 0);
});

test('an answer that was asked of several is passed on byte for byte', async (t) => {
  const answer = '{"jsonrpc":"2.0", "result":{"contents":[{"uri":"x:1","n":12345678901234567890}]}, "id":1}';
  const core = await startCore(t, {
    a: { resources: ['a:1'], respond: knows() },
    b: { resources: ['b:1'], respond: () => answer },
  });
  assert.deepEqual((await core.ask(read('x:1'))).answers, [answer]);
});

test('a URI that nobody knows is not found', async (t) => {
  const core = await startCore(t, {
    a: { resources: ['a:1'], respond: knows() },
    b: { resources: ['b:1'], respond: knows() },
  });
  for (const uri of ['x:1', '', '__proto__']) {
    const { failures } = await core.ask(read(uri));
    assert.deepEqual([failures[0]?.code, failures[0]?.data], [Code.ResourceNotFound, { uri }]);
  }
  const nobody = await startCore(t);
  assert.equal((await nobody.ask(read('x:1'))).failures[0]?.code, Code.ResourceNotFound);
});

test('where a server that might know it cannot be asked, that is said, not that nobody has it', async (t) => {
  const away = new GatewayError(Code.DownstreamTimeout, 'Server "b" did not answer');
  const fails: Respond = (_asked, sink) => {
    sink.fail(away);
    return undefined;
  };
  const core = await startCore(t, {
    a: { resources: ['a:1'], respond: knows() },
    b: { resources: ['b:1'], respond: fails },
    c: { resources: ['c:1'], respond: knows('x:2') },
  });
  assert.equal((await core.ask(read('x:1'))).failures[0], away);
  assert.deepEqual(urisOf((await core.ask(read('x:2'))).answered.result), ['x:2']);
});

test('a read of several servers can be cancelled, and holds its id meanwhile', async (t) => {
  const core = await startCore(t, {
    a: { resources: ['a:1'], respond: () => undefined },
    b: { resources: ['b:1'], respond: () => undefined },
  });
  const sink = core.send(read('x:1', 'r'));
  await turnsUntil(
    () => core.link('b')?.requests.at(-1)?.method === 'resources/read',
    'the servers to be asked',
  );
  assert.equal((await core.ask(read('x:1', 'r'))).failures[0]?.code, Code.InvalidRequest);
  core.session.inFlight.get('"r"')?.cancel();
  await turnsUntil(() => sink.failures.length > 0, 'the end');
  assert.equal(sink.failures[0]?.code, Code.Cancelled);
  assert.deepEqual(
    ['a', 'b'].map((id) => core.link(id)?.cancelled.length),
    [1, 1],
  );
  assert.equal(core.session.inFlight.size, 0);
});

test('what was checked is what is read: members that stand twice are refused', async (t) => {
  const core = await startCore(t, {
    a: { resources: ['u:1'], respond: reads },
    b: { resources: ['b:1'], respond: reads },
  });
  for (const uri of ['u:1', 'x:1', 'dragon://b/u:1']) {
    const message = requestOf(
      `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"u:2","uri":"${uri}"}}`,
    );
    assert.equal((await core.ask(message)).failures[0]?.code, Code.InvalidRequest, uri);
  }
  for (const params of [{}, { uri: 1 }, { uri: null }]) {
    assert.equal((await core.ask(request('resources/read', params))).failures[0]?.code, Code.InvalidParams);
  }
  await turns();
  assert.equal(
    core.link('a')?.requests.some(({ method }) => method === 'resources/read'),
    false,
  );
});
