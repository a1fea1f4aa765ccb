import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, before, describe, it } from 'node:test';
import { Gateway } from '../support/gateway.ts';
import { ModernClient } from '../support/modern-client.ts';
import { ModernServer } from '../support/modern-server.ts';
import { RawClient } from '../support/raw-client.ts';
import { textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';

const TASKS = 'io.modelcontextprotocol/tasks';
const SERVER_INFO = 'io.modelcontextprotocol/serverInfo';
const SUBSCRIPTION_ID = 'io.modelcontextprotocol/subscriptionId';

const tool = (name: string, properties: Record<string, unknown> = {}) => ({
  name,
  inputSchema: { type: 'object', properties },
});

const content = (text: string) => ({ content: [{ type: 'text', text }] });

const STREAM = 'text/event-stream';

describe('a modern client at a modern server', () => {
  let gateway: Gateway;
  let server: ModernServer;
  let client: ModernClient;

  before(async () => {
    server = await ModernServer.start({
      capabilities: {
        tools: { listChanged: true },
        prompts: {},
        resources: { subscribe: true },
        completions: {},
        extensions: { [TASKS]: {} },
      },
      lists: {
        tools: [tool('run'), tool('query', { region: { type: 'string', 'x-mcp-header': 'Region' } })],
        prompts: [{ name: 'greet' }],
        resources: [{ uri: 'res://one', name: 'one' }],
        resourceTemplates: [{ uriTemplate: 'res://{id}/data', name: 'template' }],
      },
    });
    gateway = await Gateway.start({ env: { DRAGON_BUILTIN_TOOLS: 'off' } });
    await gateway.addServer({ name: 'm', url: server.url });
    client = new ModernClient(gateway.mcpUrl);
  });

  afterEach(() => {
    server.seen.length = 0;
  });

  after(async () => {
    client?.close();
    await gateway?.stop();
    await server?.close();
  });

  it('is told what all servers add up to, and that nothing of it is to be kept', async () => {
    const { status, message } = await client.request('server/discover');
    assert.equal(status, 200);
    const { result } = message!;
    assert.equal(result.resultType, 'complete');
    assert.deepEqual(result.supportedVersions, ['2026-07-28']);
    assert.deepEqual(result.capabilities, {
      tools: { listChanged: true },
      prompts: { listChanged: true },
      resources: { listChanged: true, subscribe: true },
      completions: {},
      extensions: { [TASKS]: {} },
    });
    assert.deepEqual([result.ttlMs, result.cacheScope], [0, 'private']);
    assert.equal(result._meta[SERVER_INFO].name, 'dragon-mcp-gateway');
  });

  it('gets lists with public names, stamped', async () => {
    for (const [method, kind, key, expected] of [
      ['tools/list', 'tools', 'name', ['m__run', 'm__query']],
      ['prompts/list', 'prompts', 'name', ['m__greet']],
      ['resources/list', 'resources', 'uri', ['res://one']],
      ['resources/templates/list', 'resourceTemplates', 'uriTemplate', ['res://{id}/data']],
    ] as const) {
      const { result } = (await client.request(method)).message!;
      assert.deepEqual(
        result[kind].map((entry: Record<string, unknown>) => entry[key]),
        expected,
      );
      assert.deepEqual(
        [result.resultType, result.ttlMs, result.cacheScope, result._meta[SERVER_INFO].name],
        ['complete', 0, 'private', 'dragon-mcp-gateway'],
      );
    }
    const { message } = await client.request('tools/list', { cursor: 'nonsense' });
    assert.equal(message?.error?.code, -32602);
  });

  it('reaches the tool with every byte but the name as it was, and gets its answer byte for byte', async () => {
    const answer =
      '{"jsonrpc":"2.0","id":7,"result":{"content":[],  "n":1e400,"resultType":"complete","x":"é"}}';
    server.respond = (_seen, reply) => reply.text(answer);
    const { status, headers, text } = await client.callTool('m__run', { big: 1 }, { id: 7 });
    assert.equal(status, 200);
    assert.match(String(headers['content-type']), /^application\/json/);
    assert.equal(text, answer);
    const [seen] = server.seen;
    const sent = JSON.stringify(
      client.message('tools/call', { name: 'm__run', arguments: { big: 1 } }, { id: 7 }),
    );
    assert.equal(seen!.body, sent.replace('m__run', 'run'));
    assert.deepEqual(
      [seen!.headers['mcp-method'], seen!.headers['mcp-name'], seen!.headers['mcp-protocol-version']],
      ['tools/call', 'run', '2026-07-28'],
    );
  });

  it('hears of progress, and of log messages of the level that it asked for and above', async () => {
    server.respond = (_seen, reply) => {
      reply.notify('notifications/progress', { progressToken: 'p', progress: 1 });
      reply.notify('notifications/progress', { progressToken: 'other', progress: 1 });
      reply.notify('notifications/message', { level: 'info', data: 'low' });
      reply.notify('notifications/message', { level: 'error', data: 'high' });
      reply.notify('notifications/tools/list_changed');
      reply.result(content('done'));
    };
    const heard = async (type: string, options: Parameters<ModernClient['callTool']>[2]) => {
      const { headers, events, messages } = await client.callTool('m__run', {}, options);
      assert.equal(headers['content-type'], type);
      assert.equal(headers['x-accel-buffering'], type === STREAM ? 'no' : undefined);
      assert.ok(events.every(({ id }) => id === undefined));
      return messages.map(
        ({ method, params }) => method && [method, params?.['data'] ?? params?.['progressToken']],
      );
    };
    assert.deepEqual(await heard(STREAM, { meta: { progressToken: 'p' }, logLevel: 'warning' }), [
      ['notifications/progress', 'p'],
      ['notifications/message', 'high'],
      undefined,
    ]);
    // Nothing is left for this client but the answer.
    assert.deepEqual(await heard('application/json', {}), [undefined]);
  });

  it('cancels by going away, whether anything has come yet or not', async () => {
    for (const begin of [false, true]) {
      server.respond = (_seen, reply) => {
        if (begin) reply.notify('notifications/progress', { progressToken: 'p', progress: 1 });
      };
      const abort = new AbortController();
      const call = client.callTool('m__run', {}, { meta: { progressToken: 'p' }, signal: abort.signal });
      const [seen] = await until(() => (server.seen.length > 0 ? server.seen.splice(0) : undefined), {
        what: 'the call at the server',
      });
      abort.abort();
      await assert.rejects(call);
      await until(() => seen!.isAbandoned, { what: 'the cancellation at the server' });
    }
  });

  it('gets errors of servers with the status that they have, in the terms of this version', async () => {
    const cases = [
      [-32002, -32602, 200],
      [-32601, -32601, 404],
      [-32000, -32000, 200],
      [-32021, -32603, 200],
      [-32042, -32603, 200],
      [-32099, -32603, 200],
    ] as const;
    for (const [said, told, status] of cases) {
      server.respond = (_seen, reply) => reply.error(said, 'No');
      const answer = await client.request('prompts/get', { name: 'm__greet' }, { id: 'e' });
      assert.deepEqual([answer.status, answer.message?.error?.code, answer.message?.id], [status, told, 'e']);
    }
    const needed = { requiredCapabilities: { sampling: {} } };
    server.respond = (_seen, reply) => reply.error(-32021, 'Sampling is needed', needed, 400);
    const { status, message } = await client.callTool('m__run');
    assert.deepEqual([status, message?.error?.code, message?.error?.data], [400, -32021, needed]);
  });

  it('is asked for input unopened, where it can give it and the method may', async () => {
    const asked = {
      resultType: 'input_required',
      inputRequests: { one: { method: 'sampling/createMessage', params: { messages: [], maxTokens: 1 } } },
      requestState: 'opaque =',
    };
    server.respond = (_seen, reply) => reply.result(asked);
    const capabilities = { sampling: {} };
    assert.deepEqual((await client.callTool('m__run', {}, { capabilities })).message?.result, asked);
    const read = await client.request('resources/read', { uri: 'res://one' }, { capabilities });
    assert.deepEqual(read.message?.result, asked);

    const undeclared = await client.callTool('m__run');
    assert.deepEqual([undeclared.status, undeclared.message?.error?.code], [400, -32021]);
    const wrong = await client.request(
      'completion/complete',
      { ref: { type: 'ref/prompt', name: 'm__greet' }, argument: { name: 'a', value: '' } },
      { capabilities },
    );
    assert.equal(wrong.message?.error?.code, -32603);

    const retry = { inputResponses: { one: { role: 'assistant' } }, requestState: 'opaque =' };
    server.seen.length = 0;
    server.respond = (_seen, reply) => reply.result(content('ok'));
    await client.request('tools/call', { name: 'm__run', arguments: {}, ...retry }, { capabilities });
    const { inputResponses, requestState } = server.seen[0]!.message.params!;
    assert.deepEqual({ inputResponses, requestState }, retry);
  });

  it('is not given results of a type that nobody knows, nor ones without a type', async () => {
    server.respond = (_seen, reply) => reply.result({ resultType: 'surprise' });
    const { status, message } = await client.callTool('m__run');
    assert.deepEqual([status, message?.error?.code], [200, -32603]);
    assert.match(message!.error!.message, /"m" answered with a result of unknown type "surprise"/);

    server.respond = (seen, reply) =>
      reply.text(JSON.stringify({ jsonrpc: '2.0', id: seen.message.id, result: content('bare') }));
    const bare = await client.callTool('m__run');
    assert.deepEqual([textOf(bare.message!), bare.message?.result.resultType], ['bare', 'complete']);
  });

  it('reads resources, which nobody else may be given from a cache', async () => {
    server.respond = (seen, reply) =>
      reply.result({
        contents: [{ uri: seen.message.params!['uri'], text: 'x' }],
        ttlMs: 5000,
        cacheScope: 'public',
      });
    for (const uri of ['res://one', 'res://2/data']) {
      const { result } = (await client.request('resources/read', { uri })).message!;
      assert.deepEqual([result.contents[0].uri, result.ttlMs, result.cacheScope], [uri, 5000, 'private']);
    }
    const missing = await client.request('resources/read', { uri: 'no-such' });
    assert.deepEqual(missing.message?.result?.contents?.[0].uri, 'no-such');
    server.respond = (_seen, reply) => reply.error(-32602, 'Resource not found', { uri: 'none' });
    const { message } = await client.request('resources/read', { uri: 'none' });
    assert.equal(message?.error?.code, -32602);
  });

  it('repeats arguments in headers as the tool wants it, and truly', async () => {
    server.respond = (_seen, reply) => reply.result(content('ok'));
    const call = (headers: Record<string, string>) =>
      client.callTool('m__query', { region: 'eu wést' }, { headers });
    const encoded = `=?base64?${Buffer.from('eu wést').toString('base64')}?=`;
    assert.equal((await call({ 'mcp-param-region': encoded, 'mcp-param-other': 'x' })).status, 200);
    const [seen] = server.seen;
    assert.deepEqual([seen!.headers['mcp-param-region'], seen!.headers['mcp-param-other']], [encoded, 'x']);
    for (const headers of [{}, { 'mcp-param-region': 'us' }]) {
      const { status, message } = await call(headers);
      assert.deepEqual([status, message?.error?.code], [400, -32020]);
    }
    assert.equal(server.seen.length, 1);
  });

  it('is spared that a server wants other headers than before', async () => {
    server.respond = (seen, reply) => {
      if (seen.headers['mcp-param-zone'] === 'z') return reply.result(content('ok'));
      server.lists['tools'] = [tool('run', { zone: { type: 'string', 'x-mcp-header': 'Zone' } })];
      reply.error(-32020, 'Header mismatch: Mcp-Param-Zone', undefined, 400);
    };
    const { message } = await client.callTool('m__run', { zone: 'z' });
    assert.equal(textOf(message!), 'ok');
    assert.equal(server.seen.length, 2);

    server.respond = (_seen, reply) => reply.error(-32020, 'Header mismatch: never', undefined, 400);
    const refused = await client.callTool('m__run', { zone: 'z' }, { headers: { 'mcp-param-zone': 'z' } });
    assert.deepEqual([refused.status, refused.message?.error?.code], [200, -32603]);
    assert.equal(server.seen.length, 4);
  });

  it('follows a task under an id that says whose it is', async () => {
    const headers = { 'mcp-param-zone': 'z' };
    const capabilities = { extensions: { [TASKS]: {} } };
    server.respond = (seen, reply) => {
      const taskId = seen.message.params?.['taskId'];
      if (taskId === undefined) return reply.result({ resultType: 'task', taskId: 't1', status: 'working' });
      reply.result(seen.message.method === 'tasks/get' ? { taskId, status: 'completed' } : {});
    };
    const made = await client.callTool('m__run', { zone: 'z' }, { capabilities, headers });
    const { taskId, resultType } = made.message!.result;
    assert.equal(resultType, 'task');
    assert.notEqual(taskId, 't1');
    for (const method of ['tasks/get', 'tasks/update', 'tasks/cancel']) {
      const { message } = await client.request(method, { taskId }, { capabilities });
      assert.equal(message?.result.resultType, 'complete', method);
      if (method === 'tasks/get') assert.equal(message?.result.taskId, taskId);
      const seen = server.seen.at(-1)!;
      assert.deepEqual([seen.headers['mcp-name'], seen.message.params?.['taskId']], ['t1', 't1']);
    }
    const notifications = { taskIds: [taskId, 'x'] };
    const stream = await client.open('subscriptions/listen', { notifications }, { capabilities });
    assert.deepEqual((await stream.next())?.params?.['notifications'], { taskIds: [taskId] });
    server.tell('notifications/tasks', { taskId: 't1', status: 'completed' });
    const { method, params } = (await stream.next())!;
    assert.deepEqual([method, params?.['taskId']], ['notifications/tasks', taskId]);
    stream.close();
    const asked = server.seen.length;
    for (const id of ['x', `${randomUUID()}.t1`]) {
      const unknown = await client.request('tasks/get', { taskId: id }, { capabilities });
      assert.equal(unknown.message?.error?.code, -32602, id);
    }
    assert.equal(server.seen.length, asked, 'nobody is asked about the tasks of others');
    const undeclared = await client.request('tasks/get', { taskId });
    assert.deepEqual([undeclared.status, undeclared.message?.error?.code], [400, -32021]);
    const unasked = await client.callTool('m__run', { zone: 'z' }, { headers });
    assert.equal(unasked.message?.error?.code, -32603);
  });

  it('gets large answers whole', async () => {
    const headers = { 'mcp-param-zone': 'z' };
    const big = 'x'.repeat(1_000_000);
    const bodies = [
      (id: unknown) =>
        `{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete","content":[{"type":"text","text":"${big}"}]}}`,
      (id: unknown) => `{"jsonrpc":"2.0","id":${id},"result":{"content":[{"type":"text","text":"${big}"}]}}`,
    ];
    for (const body of bodies) {
      for (const streamed of [false, true]) {
        server.respond = (seen, reply) => {
          if (streamed) reply.notify('notifications/progress', { progressToken: 'p', progress: 1 });
          reply.text(body(seen.message.id));
        };
        const { message } = await client.callTool(
          'm__run',
          { zone: 'z' },
          { headers, meta: { progressToken: 'p' } },
        );
        assert.equal(message?.result.resultType, 'complete');
        assert.equal(textOf(message!), big);
      }
    }
  });

  it('listens: is told what it will be told, then that and nothing else', async () => {
    const notifications = {
      toolsListChanged: true,
      resourceSubscriptions: ['res://one', 'nobody://has'],
      somethingElse: true,
    };
    const stream = await client.open('subscriptions/listen', { notifications }, { id: 'sub' });
    const acknowledged = await stream.next();
    assert.deepEqual(acknowledged, {
      jsonrpc: '2.0',
      method: 'notifications/subscriptions/acknowledged',
      params: {
        _meta: { [SUBSCRIPTION_ID]: 'sub' },
        notifications: { toolsListChanged: true, resourceSubscriptions: ['res://one', 'nobody://has'] },
      },
    });
    // Another listens to the same: the server is listened to for both at once.
    const second = await client.open('subscriptions/listen', {
      notifications: { resourceSubscriptions: ['res://two/'] },
    });
    await second.next();
    const resources = () =>
      (server.filters as { resourceSubscriptions?: string[] }[]).filter((each) => each.resourceSubscriptions);
    await until(() => resources().length === 1 && resources()[0]!.resourceSubscriptions!.length === 3, {
      what: 'one subscription at the server',
    });
    server.tell('notifications/resources/updated', { uri: 'res://three' });
    server.tell('notifications/resources/updated', { uri: 'res://two/part' });
    server.tell('notifications/resources/updated', { uri: 'res://one' });
    server.lists['tools'] = [...server.lists['tools']!, tool('more')];
    server.tell('notifications/tools/list_changed');
    const first = [await stream.next(), await stream.next()];
    assert.deepEqual(first.map((message) => [message?.method, message?.params?.['uri']]).sort(), [
      ['notifications/resources/updated', 'res://one'],
      ['notifications/tools/list_changed', undefined],
    ]);
    for (const message of first) assert.deepEqual(message?.params?.['_meta'], { [SUBSCRIPTION_ID]: 'sub' });
    assert.equal((await second.next())?.params?.['uri'], 'res://two/part');
    stream.close();
    second.close();
    await until(() => resources().length === 0, { what: 'the end of the subscription at the server' });
  });

  it('is what a legacy client is not: that gets schemas and headers in its own terms', async () => {
    const run = (header: string) => tool('run', { zone: { type: 'string', 'x-mcp-header': header } });
    const listed = { ...run('Zone'), annotations: { readOnlyHint: true }, outputSchema: { type: 'array' } };
    const other = await ModernServer.start({ capabilities: { tools: {} }, lists: { tools: [listed] } });
    const legacy = new RawClient(gateway.mcpUrl);
    try {
      await gateway.addServer({ name: 'n', url: other.url });
      await legacy.initialize();
      const shownBy = async (asker: { request: RawClient['request'] | ModernClient['request'] }) => {
        const { message } = await asker.request('tools/list');
        const tools: { name: string }[] = message?.result?.tools ?? [];
        return tools.find(({ name }) => name === 'n__run') as typeof listed | undefined;
      };
      await until(async () => (await shownBy(legacy)) !== undefined, { what: 'the list' });
      const shown = await shownBy(legacy);
      assert.deepEqual([shown?.annotations, shown?.outputSchema], [{ readOnlyHint: true }, undefined]);
      await until(async () => (await shownBy(client)) !== undefined, { what: 'the list' });
      assert.deepEqual((await shownBy(client))?.outputSchema, { type: 'array' });

      const calls = () => other.seen.filter((seen) => seen.message.method === 'tools/call').length;
      other.respond = (seen, reply) => {
        if (seen.headers['mcp-param-place'] === 'z') return reply.result(content('ok'));
        other.lists['tools'] = [run('Place')];
        reply.error(-32020, 'Header mismatch: Mcp-Param-Place', undefined, 400);
      };
      const { message } = await legacy.callTool('n__run', { zone: 'z' });
      assert.equal(textOf(message!), 'ok');
      assert.equal(calls(), 2);
      other.respond = (_seen, reply) => reply.error(-32020, 'Header mismatch: never', undefined, 400);
      const refused = await legacy.callTool('n__run', { zone: 'z' });
      assert.equal(refused.message?.error?.code, -32603);
      assert.equal(calls(), 4);
      await legacy.delete();
    } finally {
      legacy.close();
      await other.close();
    }
  });
});

it('ends what a modern client listens on with a result when it stops', async (t) => {
  const server = await ModernServer.start({ lists: { tools: [tool('run')] } });
  t.after(() => server.close());
  const gateway = await Gateway.start();
  t.after(() => gateway.stop());
  await gateway.addServer({ name: 'm', url: server.url });
  const client = new ModernClient(gateway.mcpUrl);
  t.after(() => client.close());
  let finish: (() => void) | undefined;
  server.respond = (_seen, reply) => {
    finish = () => reply.result(content('late'));
  };
  const stream = await client.open(
    'subscriptions/listen',
    { notifications: { toolsListChanged: true } },
    { id: 5 },
  );
  assert.equal((await stream.next())?.method, 'notifications/subscriptions/acknowledged');
  const call = client.callTool('m__run');
  await until(() => finish, { what: 'the call at the server' });
  const stopped = gateway.stop();
  assert.deepEqual((await stream.next())?.result?._meta?.[SUBSCRIPTION_ID], 5);
  assert.equal(await stream.next(), undefined);
  // What runs is waited for.
  finish!();
  assert.equal(textOf((await call).message!), 'late');
  assert.equal(await stopped, 0);
});
