import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startCore } from '../../test/support/core.ts';
import { type Respond, request, requestOf, turns, turnsUntil } from '../../test/support/fakes.ts';
import { aliasUri } from '../catalog/snapshot.ts';
import { errorText, resultText } from '../protocol/envelope.ts';
import { Code } from '../protocol/errors.ts';
import { METHODS } from './methods.ts';

const done: Respond = ({ id }) => resultText(id, '{}');

/** What the session's link to a server was last asked, as text. */
const lastAsked = (core: Awaited<ReturnType<typeof startCore>>, id: string) =>
  core.link(id)?.requests.at(-1)?.text;

test('a ping is answered by the gateway itself', async (t) => {
  const core = await startCore(t);
  assert.deepEqual((await core.ask(request('ping', undefined, 'p'))).answers, [resultText('p', '{}')]);
});

test('a method that nobody answers is not known, also one that every object has', async (t) => {
  const core = await startCore(t);
  for (const method of ['x', '', 'tools', 'toString', '__proto__', 'initialize', 'sampling/createMessage']) {
    const { failures } = await core.ask(request(method));
    assert.equal(failures[0]?.code, Code.MethodNotFound, method);
  }
  const { failures } = await core.ask(request('x'.repeat(10_000)));
  assert.ok((failures[0]?.message.length ?? 0) < 200);
});

test('each list is that of all servers, in pages with cursors', async (t) => {
  const core = await startCore(t, {
    a: { tools: ['t'], prompts: ['p'], resources: ['u:1'], resourceTemplates: ['u:{x}'] },
    b: { tools: ['t'], resources: ['u:1'] },
  });
  const listed = async (method: string, kind: string, keyName: string) => {
    const result = (await core.ask(request(method))).answered.result as Record<
      string,
      Record<string, unknown>[]
    >;
    return result[kind]?.map((entry) => entry[keyName]);
  };
  const tools = await listed('tools/list', 'tools', 'name');
  assert.deepEqual(tools?.slice(-2), ['a__t', 'b__t']);
  assert.ok(tools?.includes('echo'));
  assert.deepEqual(await listed('prompts/list', 'prompts', 'name'), ['a__p']);
  assert.deepEqual(await listed('resources/list', 'resources', 'uri'), ['u:1', 'dragon://b/u:1']);
  assert.deepEqual(await listed('resources/templates/list', 'resourceTemplates', 'uriTemplate'), ['u:{x}']);
  for (const method of ['tools/list', 'prompts/list', 'resources/list', 'resources/templates/list']) {
    for (const cursor of ['', 'x', 1, null]) {
      const { failures } = await core.ask(request(method, { cursor }));
      assert.equal(failures[0]?.code, Code.InvalidParams, `${method} ${cursor}`);
    }
  }
});

test('a prompt goes to its server under the server’s own name', async (t) => {
  const core = await startCore(t, { a: { prompts: ['p'], respond: done } });
  const text = (name: string) =>
    `{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"arguments":{"n":1e400}, "name":"${name}"}}`;
  await core.ask(requestOf(text('a__p')));
  assert.equal(lastAsked(core, 'a'), text('p'));
  for (const name of ['p', 'a__x', '__proto__']) {
    const { failures } = await core.ask(request('prompts/get', { name }));
    assert.deepEqual(
      [failures[0]?.code, failures[0]?.message],
      [Code.InvalidParams, `Unknown prompt: ${name}`],
    );
  }
});

test('subscriptions go to the server of the resource under its own URI', async (t) => {
  const core = await startCore(t, {
    a: { resources: ['u:1'], respond: done },
    b: { resources: ['u:1'], respond: done },
  });
  for (const method of ['resources/subscribe', 'resources/unsubscribe']) {
    const text = (uri: string) => `{"jsonrpc":"2.0","id":1,"method":"${method}","params":{"uri":"${uri}"}}`;
    await core.ask(requestOf(text('u:1')));
    assert.equal(lastAsked(core, 'a'), text('u:1'));
    await core.ask(requestOf(text(aliasUri('b', 'u:1'))));
    assert.equal(lastAsked(core, 'b'), text('u:1'));
  }
  const nobody = await startCore(t);
  assert.equal(
    (await nobody.ask(request('resources/subscribe', { uri: 'u:1' }))).failures[0]?.code,
    Code.ResourceNotFound,
  );
});

test('a completion goes to whoever has the prompt, the template or the resource that it refers to', async (t) => {
  const core = await startCore(t, {
    a: { prompts: ['p'], resources: ['u:1'], resourceTemplates: ['t:{x}'], respond: done },
    b: { resources: ['u:1'], resourceTemplates: ['t:{x}'], respond: done },
  });
  const text = (ref: object) =>
    JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'completion/complete',
      params: { argument: { name: 'x', value: '' }, ref },
    });
  const cases = [
    ['a', { type: 'ref/prompt', name: 'a__p' }, { type: 'ref/prompt', name: 'p' }],
    ['a', { type: 'ref/resource', uri: 't:{x}' }, { type: 'ref/resource', uri: 't:{x}' }],
    ['b', { type: 'ref/resource', uri: aliasUri('b', 't:{x}') }, { type: 'ref/resource', uri: 't:{x}' }],
    ['b', { type: 'ref/resource', uri: aliasUri('b', 'u:1') }, { type: 'ref/resource', uri: 'u:1' }],
  ] as const;
  for (const [id, given, seen] of cases) {
    await core.ask(requestOf(text(given)));
    assert.equal(lastAsked(core, id), text(seen));
  }
  const wrong = [
    undefined,
    null,
    'x',
    [],
    {},
    { type: 'ref/tool', name: 'x' },
    { type: 'ref/prompt' },
    { type: 'ref/prompt', name: 'p' },
    { type: 'ref/resource' },
  ];
  for (const ref of wrong) {
    const { failures } = await core.ask(request('completion/complete', { ref, argument: {} }));
    assert.equal(failures[0]?.code, Code.InvalidParams, JSON.stringify(ref));
  }
});

test('members that stand twice where they are looked for are refused, and leave nothing behind', async (t) => {
  const core = await startCore(t, { a: { prompts: ['p'], resources: ['u:1'], respond: done } });
  const cases = [
    ['prompts/get', '{"name":"a__p","name":"a__p"}'],
    ['resources/subscribe', '{"uri":"u:2","uri":"u:1"}'],
    ['completion/complete', '{"ref":{"type":"ref/prompt","name":"x","name":"a__p"}}'],
    ['completion/complete', '{"ref":{"type":"ref/tool","type":"ref/prompt","name":"a__p"}}'],
  ] as const;
  for (const [method, params] of cases) {
    const sink = await core.ask(
      requestOf(`{"jsonrpc":"2.0","id":1,"method":"${method}","params":${params}}`),
    );
    assert.equal(sink.failures[0]?.code, Code.InvalidRequest, params);
  }
  await turns();
  assert.equal(core.session.inFlight.size, 0);
  assert.deepEqual((await core.store.peek(core.session.id))?.subscriptions, {});
  assert.ok(core.link('a')?.requests.every(({ method }) => method.endsWith('/list')));
});

test('the log level is told to servers that have logging, and kept for those that are opened later', async (t) => {
  const logs: Respond = ({ id }) => resultText(id, '{}');
  const core = await startCore(t, {
    quiet: { tools: ['t'], respond: logs },
    loud: { tools: ['t'], respond: logs, handshake: { capabilities: { tools: {}, logging: {} } } },
    later: { tools: ['t'], respond: logs, handshake: { capabilities: { tools: {}, logging: {} } } },
  });
  await core.call('quiet__t');
  await core.call('loud__t');
  assert.deepEqual((await core.ask(request('logging/setLevel', { level: 'warning' }))).answers, [
    resultText(1, '{}'),
  ]);
  await core.call('later__t');
  const levels = (id: string) =>
    core
      .link(id)
      ?.requests.filter(({ method }) => method === 'logging/setLevel')
      .map(({ params }) => params?.level);
  assert.deepEqual([levels('quiet'), levels('loud'), levels('later')], [[], ['warning'], ['warning']]);
  for (const level of ['', 'warn', 'WARNING', 'toString', 1, null, undefined]) {
    const { failures } = await core.ask(request('logging/setLevel', { level }));
    assert.equal(failures[0]?.code, Code.InvalidParams, String(level));
  }
});

test('a server that refuses a log level does not fail the client', async (t) => {
  const core = await startCore(t, {
    a: {
      tools: ['t'],
      handshake: { capabilities: { tools: {}, logging: {} } },
      respond: ({ id, method }) =>
        method === 'tools/call' ? resultText(id, '{}') : errorText(id, -32603, 'no'),
    },
  });
  await core.call('a__t');
  assert.equal((await core.ask(request('logging/setLevel', { level: 'debug' }))).answers.length, 1);
  assert.ok(core.logger.lines.some(({ level, fields }) => level === 'warn' && fields['server'] === 'a'));
});

test('a request is cancelled by its id, once, and its server told why', async (t) => {
  const core = await startCore(t, { a: { tools: ['t'], respond: () => undefined } });
  const sink = core.send(request('tools/call', { name: 'a__t' }, 7));
  await turnsUntil(() => core.link('a')?.requests.at(-1)?.method === 'tools/call', 'the call');
  const cancelled = (requestId: unknown) => {
    core.router.notification(core.session, {
      kind: 'notification',
      method: 'notifications/cancelled',
      params: { requestId },
      text: '',
    });
  };
  for (const other of ['7', 8, null, undefined, {}]) cancelled(other);
  assert.equal(sink.failures.length, 0);
  assert.deepEqual(core.elsewhere, ['"7"', '8']);
  cancelled(7);
  cancelled(7);
  assert.deepEqual(
    sink.failures.map(({ code }) => code),
    [Code.Cancelled],
  );
  assert.deepEqual(
    core.link('a')?.cancelled.map(({ code }) => code),
    [Code.Cancelled],
  );
  assert.equal(core.session.inFlight.size, 0);
  assert.deepEqual(core.counted.at(-1), { method: 'tools/call', outcome: 'cancelled' });
});

test('what nobody expected is logged, and is an internal error to the client', async (t) => {
  const core = await startCore(t);
  const view = core.catalogs.view(core.session.principal, core.session.hello.capabilities);
  view.snapshot = async () => {
    throw new TypeError('secret');
  };
  Object.defineProperty(view, 'current', { get: () => undefined });
  const { failures } = await core.ask(request('tools/list'));
  assert.equal(failures[0]?.code, Code.Internal);
  assert.ok(!failures[0]?.message.includes('secret'));
  assert.ok(core.logger.lines.some(({ level }) => level === 'error'));
});

test('every request is counted once, under how it ended', async (t) => {
  const core = await startCore(t, {
    a: {
      tools: ['t', 'bad'],
      respond: ({ id, text }) => resultText(id, text.includes('"bad"') ? '{"isError":true}' : '{}'),
    },
  });
  await core.ask(request('ping'));
  await core.call('a__t');
  await core.call('a__bad');
  await core.call('nope');
  await core.ask(request('x'));
  assert.deepEqual(
    core.counted.map(({ method, outcome }) => `${method} ${outcome}`),
    ['ping ok', 'tools/call ok', 'tools/call tool_error', 'tools/call error', 'x error'],
  );
  assert.ok(METHODS.size >= 12);
});
