import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  fakeCatalog,
  fakeServer,
  listed,
  OWNER,
  RecordingSink,
  request,
  turns,
  turnsUntil,
} from '../../test/support/fakes.ts';
import { buildSnapshot, type Source } from '../catalog/snapshot.ts';
import { resultText } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { LATEST_LEGACY } from '../protocol/versions.ts';
import { BuiltinLink, builtinResult, builtinServer } from './builtin-link.ts';
import { BUILTIN_TOOLS, builtinTool } from './builtin-tools.ts';

const GATEWAY = { name: 'gateway', version: '1.2.3', nodeId: 'n1' };

function start(sources: readonly Source[] = [], snapshot = async () => await buildSnapshot(sources, 10)) {
  const link = new BuiltinLink(builtinServer(OWNER), { gateway: GATEWAY });
  async function call(name: unknown, args?: unknown, meta?: unknown) {
    const sink = new RecordingSink();
    const given = {
      ...(args !== undefined && { arguments: args }),
      ...(meta !== undefined && { _meta: meta }),
    };
    const asked = request('tools/call', { name, ...given }, 'r');
    const tool = builtinTool(name);
    // As the router has it.
    if (tool !== undefined && 'look' in tool) {
      const result = await builtinResult(tool, asked, async (input) => tool.look(input, await snapshot()));
      sink.answer(resultText('r', JSON.stringify(result)));
    } else link.request(asked, sink);
    await turnsUntil(() => sink.calls.some((each) => each === 'answer' || each === 'fail'), 'an answer');
    return sink;
  }
  return { link, call };
}

interface ToolResult {
  readonly content: readonly { readonly type: string; readonly text: string }[];
  readonly structuredContent?: Record<string, unknown>;
  readonly isError?: boolean;
}

const resultOf = (sink: RecordingSink): ToolResult => sink.answered.result as ToolResult;
const textOf = (sink: RecordingSink): string =>
  resultOf(sink)
    .content.map(({ text }) => text)
    .join('');

const source = (id: string, tools: readonly string[], more: Partial<Source> = {}): Source => ({
  server: fakeServer(id),
  catalog: fakeCatalog({ tools }, { serverInfo: { name: id, title: 'Title', version: '2' } }),
  ...more,
});

test('the built-in tools are a server like any other: handshake, list, names without a prefix', async () => {
  const { link } = start();
  assert.equal(link.handshake.protocolVersion, LATEST_LEGACY);
  assert.deepEqual(link.handshake.capabilities, { tools: {} });
  assert.equal(link.server.prefix, '');
  const sink = new RecordingSink();
  link.request(request('tools/list'), sink);
  await turns();
  const { tools } = sink.answered.result as {
    tools: { name: string; inputSchema: { type: string }; description: string; annotations: object }[];
  };
  assert.deepEqual(
    tools.map(({ name }) => name),
    Object.keys(BUILTIN_TOOLS),
  );
  for (const tool of tools) {
    assert.equal(tool.inputSchema.type, 'object', tool.name);
    assert.ok(tool.description.length > 20 && tool.annotations);
  }
  assert.equal(
    (await buildSnapshot([{ server: link.server, catalog: fakeCatalog({ tools: ['echo'] }) }], 10)).tools.has(
      'echo',
    ),
    true,
  );
});

test('what it does not have is not found', async () => {
  const { link, call } = start();
  for (const method of ['prompts/list', 'resources/read', 'x']) {
    const sink = new RecordingSink();
    link.request(request(method), sink);
    await turns();
    assert.equal(sink.answered.error?.code, -32601, method);
  }
  for (const name of ['x', '', 'toString', '__proto__', 1, undefined, {}]) {
    assert.equal((await call(name)).answered.error?.code, -32602, String(name));
  }
});

test('echo returns what it was given; wrong arguments are for the model to read', async () => {
  const { call } = start();
  assert.equal(textOf(await call('echo', { message: 'é😀' })), 'é😀');
  for (const args of [undefined, {}, { message: 1 }, [], 'x', null]) {
    const result = resultOf(await call('echo', args));
    assert.equal(result.isError, true, JSON.stringify(args));
    assert.match(result.content[0]?.text ?? '', /^Invalid arguments/);
  }
});

test('system_info tells version and node, as text and as structure', async () => {
  const result = resultOf(await start().call('system_info'));
  assert.equal(result.structuredContent?.['version'], '1.2.3');
  assert.equal(result.structuredContent?.['nodeId'], 'n1');
  assert.deepEqual(JSON.parse(result.content[0]?.text ?? ''), result.structuredContent);
});

test('streaming_example reports progress under the caller’s token, before its answer', async () => {
  const { call } = start();
  for (const token of ['t', 7, '']) {
    const sink = await call('streaming_example', { message: 'hi', count: 2 }, { progressToken: token });
    assert.deepEqual(
      sink.messages.map((text) => JSON.parse(text).params),
      [1, 2].map((progress) => ({
        progressToken: token,
        progress,
        total: 2,
        message: `hi (${progress} of 2)`,
      })),
    );
    assert.deepEqual(sink.calls, ['message', 'message', 'answer']);
    assert.equal(textOf(sink), 'hi\nhi');
  }
  assert.deepEqual((await call('streaming_example', { message: 'hi' })).calls, ['answer']);
  for (const count of [0, 11, 1.5, '2']) {
    assert.equal(
      resultOf(await call('streaming_example', { message: 'hi', count })).isError,
      true,
      String(count),
    );
  }
});

test('a cancelled call fails at once, and nothing comes after', async () => {
  const { link } = start();
  const sink = new RecordingSink();
  const params = {
    name: 'streaming_example',
    arguments: { message: 'x', count: 10 },
    _meta: { progressToken: 1 },
  };
  const cancel = link.request(request('tools/call', params), sink);
  await turnsUntil(() => sink.messages.length > 0, 'the first progress');
  const reason = new GatewayError(Code.Cancelled, 'Cancelled by the client');
  cancel(reason);
  const { length } = sink.calls;
  cancel(reason);
  await turns();
  assert.deepEqual([sink.failures, sink.answers, sink.calls.length], [[reason], [], length]);
});

test('list_mcp_servers tells how each server does, and not of the gateway itself', async () => {
  const { call } = start([
    { server: builtinServer(OWNER), catalog: fakeCatalog({ tools: ['echo'] }) },
    source('good', ['a', 'b']),
    source('down', [], { catalog: undefined, error: 'cannot be reached' }),
    source('new', [], { catalog: undefined }),
    source('stale', ['c'], { error: 'did not answer' }),
  ]);
  const result = resultOf(await call('list_mcp_servers', {}));
  assert.deepEqual(result.structuredContent, {
    servers: [
      { name: 'good', kind: 'http', state: 'ok', tools: 2, title: 'Title', version: '2' },
      { name: 'down', kind: 'http', state: 'failing', error: 'cannot be reached', tools: 0 },
      { name: 'new', kind: 'http', state: 'unknown', tools: 0 },
      // Its tools are those of its last answer.
      {
        name: 'stale',
        kind: 'http',
        state: 'failing',
        error: 'did not answer',
        tools: 1,
        title: 'Title',
        version: '2',
      },
    ],
  });
  assert.deepEqual(JSON.parse(result.content[0]?.text ?? ''), result.structuredContent);
});

test('list_tools_for_mcp_server shows the tools of one server, all or by pattern, under both names', async () => {
  const tool = listed('name', '{"name":"create_issue","inputSchema":{"type":"object"},"x":1}');
  const { call } = start([
    {
      server: fakeServer('github'),
      catalog: fakeCatalog({}, { tools: [tool, ...fakeCatalog({ tools: ['list_issues', 'a.b'] }).tools] }),
    },
    source('other', ['create_issue']),
  ]);
  const tools = async (args: unknown) => {
    const { structuredContent } = resultOf(await call('list_tools_for_mcp_server', args));
    return structuredContent?.['tools'] as { name: string; publicName: string }[];
  };
  const all = await tools({ server: 'github' });
  assert.deepEqual(
    all.map(({ name }) => name),
    ['create_issue', 'list_issues', 'a.b'],
  );
  assert.deepEqual(all[0], {
    name: 'create_issue',
    inputSchema: { type: 'object' },
    x: 1,
    publicName: 'github__create_issue',
  });
  const named = async (...patterns: string[]) =>
    (await tools({ server: 'github', patterns })).map(({ name }) => name);
  assert.deepEqual(await named('*_issue'), ['create_issue']);
  assert.deepEqual(await named('github__*'), ['create_issue', 'list_issues', 'a.b']);
  assert.deepEqual(await named('?.?', 'list*', 'list*'), ['list_issues', 'a.b']);
  assert.deepEqual(await named('ISSUE', 'issue'), []);
  assert.deepEqual(await named(), []);
  for (const args of [
    { server: 'x' },
    { server: 'dragon' },
    {},
    { server: 'github', patterns: 'x' },
    { server: 'github', patterns: ['x'.repeat(257)] },
  ]) {
    assert.equal(
      resultOf(await call('list_tools_for_mcp_server', args)).isError,
      true,
      JSON.stringify(args).slice(0, 60),
    );
  }
  assert.match(
    textOf(await call('list_tools_for_mcp_server', { server: 'x' })),
    /no server "x"; known: github, other/,
  );
});

test('what goes wrong inside is a failure without details, not a result', async () => {
  const { call } = start([], async () => {
    throw new Error('secret');
  });
  await assert.rejects(call('list_mcp_servers', {}), { code: Code.Internal, message: /^Internal error$/ });
});

test('what is the router’s to answer is unknown here', async () => {
  const { link } = start([source('a', ['t'])]);
  for (const name of ['exec_tool', 'list_mcp_servers']) {
    const sink = new RecordingSink();
    link.request(request('tools/call', { name, arguments: { server: 'a', tool: 't' } }), sink);
    await turns();
    assert.equal((sink.answered.error as { code: number }).code, -32602);
  }
});
