import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type CoreServer, startCore } from '../../test/support/core.ts';
import { type Respond, request, requestOf } from '../../test/support/fakes.ts';
import { jsonObject } from '../../test/support/json-text.ts';
import { errorText, resultText } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';

const done: Respond = ({ id }) => resultText(id, '{"content":[]}');
const server = (...tools: readonly string[]): CoreServer => ({ tools, respond: done });

test('a call goes to the server of the tool, under the server’s own name, and changes in nothing else', async (t) => {
  const core = await startCore(t, { a: server('t'), b: server('t', 'a.b') });
  await fc.assert(
    fc.asyncProperty(jsonObject, fc.constantFrom('b__t', 'a__t'), async (args, name) => {
      const text = (tool: string) =>
        `{"jsonrpc":"2.0","id":1,"params":{"arguments":${args}, "name" : "${tool}","x":1e400},"method":"tools/call"}`;
      const sink = await core.ask(requestOf(text(name)));
      assert.deepEqual(sink.answered, { jsonrpc: '2.0', id: 1, result: { content: [] } });
      assert.equal(core.link(name.slice(0, 1))?.requests.at(-1)?.text, text('t'));
    }),
    { numRuns: 30 },
  );
  const renamed = [
    ...(await core.catalogs.operatorView(core.session.principal).snapshot()).tools.keys(),
  ].find((name) => name.startsWith('b__a_b_'));
  await core.call(renamed ?? '');
  assert.match(core.link('b')?.requests.at(-1)?.text ?? '', /"name":"a\.b"/);
});

test('an answer comes back byte for byte, an error too', async (t) => {
  const answers = [
    '{"jsonrpc":"2.0", "id":1,"result":{"n":12345678901234567890}}',
    '{"id":1,"jsonrpc":"2.0","error":{"code":-1,"message":"no"}}',
  ];
  for (const answer of answers) {
    const core = await startCore(t, { a: { tools: ['t'], respond: () => answer } });
    assert.deepEqual((await core.call('a__t')).answers, [answer]);
  }
});

test('a tool that nobody lists is unknown; one of a server that is down is unavailable, for its reason', async (t) => {
  const core = await startCore(t, {
    a: server('t'),
    down: { down: new GatewayError(Code.DownstreamUnavailable, 'Server "down" cannot be reached') },
  });
  for (const name of ['t', 'a__x', '', '__proto__', 'constructor', 'downy__t']) {
    const { failures } = await core.call(name);
    assert.equal(failures[0]?.code, Code.InvalidParams, name);
    assert.equal(failures[0]?.message, `Unknown tool: ${name}`);
  }
  const { failures } = await core.call('down__t');
  assert.deepEqual(
    [failures[0]?.code, failures[0]?.message],
    [Code.DownstreamUnavailable, 'Server "down" cannot be reached'],
  );
  const long = await core.call('x'.repeat(10_000));
  assert.ok((long.failures[0]?.message.length ?? 0) < 200);
});

test('what is checked is what is called: members that stand twice are refused', async (t) => {
  const core = await startCore(t, { a: server('t'), b: { ...server('t'), record: { toolPrefix: '' } } });
  const texts = [
    '{"name":"a__t","name":"t"}',
    '{"name":"t","name":"a__t"}',
    '{"name":"t","name":"t"}',
    '{"name":"a__t","arguments":{},"arguments":{"x":1}}',
    '{"name":"a__t","n\\u0061me":"a__t"}',
  ];
  for (const params of texts) {
    const sink = await core.ask(
      requestOf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":${params}}`),
    );
    assert.equal(sink.failures[0]?.code, Code.InvalidRequest, params);
  }
  for (const params of [undefined, {}, { name: 1 }, { name: null }]) {
    assert.equal((await core.ask(request('tools/call', params))).failures[0]?.code, Code.InvalidParams);
  }
  assert.equal(core.session.inFlight.size, 0);
});

test('an id that is in use is refused, and the request under way goes on', async (t) => {
  let finish: (() => void) | undefined;
  const core = await startCore(t, {
    a: {
      tools: ['t'],
      respond: (asked, sink) => {
        finish = () => sink.answer(resultText(asked.id, '{}'));
        return undefined;
      },
    },
  });
  const first = core.send(request('tools/call', { name: 'a__t' }, 5));
  const second = await core.ask(request('tools/call', { name: 'a__t' }, 5));
  assert.match(second.failures[0]?.message ?? '', /id 5 is in use/);
  while (finish === undefined) await new Promise((resolve) => setImmediate(resolve));
  finish();
  assert.equal(first.answers.length, 1);
  assert.equal(core.session.inFlight.size, 0);
});

test('exec_tool is the call that it stands for, byte for byte, with its id and its progress', async (t) => {
  const core = await startCore(t, { 'my-server': server('t') });
  await fc.assert(
    fc.asyncProperty(jsonObject, async (args) => {
      const wrap = (name: string, given: string) =>
        `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"progressToken":9}, "name":${name},"arguments": ${given}}}`;
      const text = wrap('"exec_tool"', `{"tool":"t", "arguments": ${args},"server":"my-server"}`);
      const sink = await core.ask(requestOf(text));
      assert.deepEqual(sink.answered.result, { content: [] }, sink.answers[0]);
      assert.equal(core.link('my-server')?.requests.at(-1)?.text, wrap('"t"', args));
    }),
    { numRuns: 30 },
  );
});

test('exec_tool finds a tool by its own name before its public name, and needs no arguments', async (t) => {
  const core = await startCore(t, { a: server('a__t', 't', 'x.y') });
  const called = async (tool: string) => {
    await core.call('exec_tool', { server: 'a', tool });
    return JSON.parse(core.link('a')?.requests.at(-1)?.text ?? '').params;
  };
  assert.deepEqual(await called('t'), { name: 't', arguments: {} });
  assert.deepEqual(await called('x.y'), { name: 'x.y', arguments: {} });
  assert.deepEqual(await called('a__a__t'), { name: 'a__t', arguments: {} });
  // Both the own name of one and the public name of another.
  assert.deepEqual(await called('a__t'), { name: 'a__t', arguments: {} });
  const turned = await startCore(t, { a: server('t', 'a__t') });
  await turned.call('exec_tool', { server: 'a', tool: 'a__t' });
  assert.equal(JSON.parse(turned.link('a')?.requests.at(-1)?.text ?? '').params.name, 'a__t');
});

test('exec_tool says what is wrong: the server, the tool, the arguments', async (t) => {
  const core = await startCore(t, {
    a: server('t'),
    b: server('u'),
    down: { down: new GatewayError(Code.DownstreamUnavailable, 'Server "down" cannot be reached') },
  });
  const said = async (args: unknown) => {
    const sink = await core.call('exec_tool', args);
    return sink.failures[0]?.message ?? sink.answers[0] ?? '';
  };
  assert.match(await said({ server: 'x', tool: 't' }), /no server \\?"x\\?"; known: a, b, down/);
  assert.match(await said({ server: 'dragon', tool: 'echo' }), /no server/);
  assert.match(await said({ server: 'a', tool: 'u' }), /Unknown tool: u/);
  assert.match(await said({ server: 'down', tool: 't' }), /cannot be reached/);
  for (const wrong of [
    {},
    { server: 'a' },
    { server: 1, tool: 't' },
    { server: 'a', tool: 't', arguments: [] },
    { server: 'a', tool: 't', arguments: null },
    'x',
  ]) {
    assert.match(await said(wrong), /Invalid arguments/);
  }
  assert.equal(core.session.inFlight.size, 0);
});

test('exec_tool refuses members that stand twice, in place of calling with what it did not check', async (t) => {
  const core = await startCore(t, { a: server('t'), b: server('t') });
  for (const args of [
    '{"server":"b","server":"a","tool":"t","arguments":{"x":1}}',
    '{"server":"a","tool":"t","arguments":{"x":1},"arguments":{"x":2}}',
    '{"server":"a","tool":"t","tool":"t"}',
  ]) {
    const text = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"exec_tool","arguments":${args}}}`;
    assert.equal((await core.ask(requestOf(text))).failures[0]?.code, Code.InvalidRequest, args);
  }
  for (const id of ['a', 'b'])
    assert.ok(core.link(id)?.requests.every(({ method }) => method.endsWith('/list')) ?? true);
});

test('wrong arguments of a built-in tool are for the model to read and mend', async (t) => {
  const core = await startCore(t, { a: server('t') });
  for (const [name, args] of [
    ['echo', {}],
    ['exec_tool', {}],
    ['exec_tool', { server: 'x', tool: 't' }],
  ] as const) {
    const { answers, failures } = await core.call(name, args);
    assert.deepEqual(failures, [], name);
    assert.equal(JSON.parse(answers[0] ?? '').result.isError, true, name);
  }
});

test('a call that asks for a task gets one under an id that says whose it is', async (t) => {
  const core = await startCore(t, {
    a: {
      tools: ['t'],
      respond: ({ id, method, params }) =>
        method === 'tools/call' && params?.task !== undefined
          ? resultText(id, '{"task":{"taskId":"x.1","ttl":12345678901234567890}}')
          : errorText(id, -32601, 'no'),
    },
  });
  const sink = await core.ask(request('tools/call', { name: 'a__t', arguments: {}, task: {} }));
  assert.deepEqual(sink.answers, [resultText(1, '{"task":{"taskId":"a.x.1","ttl":12345678901234567890}}')]);
});
