import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import { LIST_METHODS, type ListMethod, listNames, listPages } from '../support/lists.ts';
import { RawClient, type RawClientOptions } from '../support/raw-client.ts';
import { failure, notification, request, result, textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';

const VERSIONS = ['2025-03-26', '2025-06-18', '2025-11-25'];
const NEWEST = '2025-11-25';

describe('MCP endpoint', () => {
  let gateway: Gateway;
  let server: CountingServer;

  before(async () => {
    server = await CountingServer.start({
      name: 'one',
      instructions: 'Be kind.',
      resources: ['a', 'b', 'c'].map((name) => ({ uri: `one://${name}`, name })),
      resourceTemplates: ['x', 'y', 'z'].map((name) => ({ uriTemplate: `one://${name}/{id}`, name })),
      prompts: ['p', 'q', 'r'].map((name) => ({ name })),
    });
    gateway = await Gateway.start({ env: { DRAGON_PAGE_SIZE: '2' } });
    await gateway.addServer({ name: 'one', url: server.url });
  });

  after(async () => {
    await gateway?.stop();
    await server?.close();
  });

  function client(t: TestContext, options?: RawClientOptions): RawClient {
    const made = new RawClient(gateway.mcpUrl, options);
    t.after(() => made.close());
    return made;
  }

  async function session(t: TestContext, options?: RawClientOptions): Promise<RawClient> {
    const made = client(t, options);
    assert.equal((await made.initialize()).status, 200);
    return made;
  }

  describe('lifecycle', () => {
    for (const version of VERSIONS) {
      it(`speaks ${version}`, async (t) => {
        const peer = client(t, { protocolVersion: version });
        const { message, headers } = await peer.initialize();
        assert.match(String(headers['mcp-session-id']), /^[\x21-\x7e]{20,}$/);
        const { protocolVersion, capabilities, serverInfo, instructions } = message!.result;
        assert.equal(protocolVersion, version);
        assert.deepEqual(capabilities, {
          tools: { listChanged: true },
          prompts: { listChanged: true },
          resources: { listChanged: true, subscribe: true },
          logging: {},
          completions: {},
        });
        assert.equal(serverInfo.name, 'dragon-mcp-gateway');
        assert.match(instructions, /# one\nBe kind\./);
        const answer = await peer.callTool('one__echo', { text: 'hi' }, { id: `${version}-call` });
        assert.deepEqual(answer.message, result(`${version}-call`, answer.message!.result));
        assert.equal(textOf(answer.message!), 'hi');
      });
    }

    it('answers its newest version to a version that it does not speak', async (t) => {
      for (const protocolVersion of ['2099-01-01', '2024-11-05', 'latest', '']) {
        const { message } = await client(t, { protocolVersion }).initialize();
        assert.equal(message!.result.protocolVersion, NEWEST, protocolVersion);
      }
    });

    it('opens no session for a handshake that is wrong, and says what is wrong with it', async (t) => {
      const wrong: [Record<string, unknown>, RegExp][] = [
        [{ protocolVersion: undefined }, /protocolVersion/],
        [{ protocolVersion: 20251125 }, /protocolVersion/],
        [{ capabilities: 'all' }, /capabilities/],
        [{ capabilities: [] }, /capabilities/],
        [{ clientInfo: 'me' }, /clientInfo/],
      ];
      for (const [params, reason] of wrong) {
        const { message, headers } = await client(t).initialize(params);
        assert.equal(message!.error!.code, -32602);
        assert.match(message!.error!.message, reason);
        assert.equal(headers['mcp-session-id'], undefined);
      }
    });

    it('opens a session of its own for each handshake, and keeps ids as they are', async (t) => {
      const peer = client(t);
      const sessions = new Set<unknown>();
      for (const id of ['', 'ünï "quoted"', 0, -1, Number.MAX_SAFE_INTEGER]) {
        const params = { protocolVersion: NEWEST, capabilities: {}, clientInfo: { name: 'c', version: '1' } };
        const { message, headers } = await peer.post(request(id, 'initialize', params));
        assert.equal(message!.id, id);
        sessions.add(headers['mcp-session-id']);
      }
      assert.equal(sessions.size, 5);
    });
  });

  describe('sessions', () => {
    it('wants the session id after the handshake', async (t) => {
      const peer = client(t);
      const answers = [
        await peer.request('tools/list'),
        await peer.notify('notifications/initialized'),
        await peer.delete(),
        await peer.post('', { headers: { 'mcp-session-id': '' } }),
      ];
      for (const { status } of answers) assert.equal(status, 400);
      assert.equal((await peer.stream()).status, 400);
      assert.equal(answers[0]!.message!.error!.code, -32000);
      assert.match(answers[0]!.message!.error!.message, /Mcp-Session-Id/);
    });

    it('knows only sessions that are open', async (t) => {
      const peer = await session(t);
      const other = await session(t);
      const stream = await peer.stream();
      assert.equal((await peer.delete()).status, 204);
      assert.equal(await stream.next(), undefined, 'the stream ends with its session');
      for (const id of [peer.sessionId, 'made-up', `${other.sessionId}x`, '../../etc/passwd']) {
        const as = { headers: { 'mcp-session-id': id } };
        const answers = [
          await peer.request('tools/list', {}, as),
          await peer.notify('notifications/initialized', {}, as),
          await peer.delete(as),
        ];
        for (const { status, message } of answers) {
          assert.equal(status, 404);
          assert.equal(message!.error!.code, -32001);
        }
        assert.equal((await peer.stream(as)).status, 404);
      }
      assert.equal((await other.request('ping')).status, 200);
    });

    it('ends the sessions that it has with servers together with its own', async (t) => {
      const peer = await session(t);
      const opened = server.sessionsOpened;
      await peer.callTool('one__echo', { text: 'hi' });
      await peer.callTool('one__echo', { text: 'hi' });
      assert.equal(server.sessionsOpened, opened + 1, 'one for each session that calls');
      const closed = server.sessionsClosed;
      await peer.delete();
      await until(() => server.sessionsClosed === closed + 1, { what: 'the end of that session' });
    });
  });

  describe('headers', () => {
    it('takes the versions it speaks, or none', async (t) => {
      const peer = await session(t);
      for (const version of [...VERSIONS, undefined]) {
        const { status } = await peer.request('ping', {}, { headers: { 'mcp-protocol-version': version } });
        assert.equal(status, 200, String(version));
      }
      for (const version of ['2020-01-01', '2024-11-05', 'x', '2025-11-25, 2025-06-18']) {
        const as = { headers: { 'mcp-protocol-version': version } };
        const { status, message } = await peer.request('ping', {}, as);
        assert.equal(status, 400, version);
        for (const supported of VERSIONS) assert.match(message!.error!.message, new RegExp(supported));
        assert.equal((await peer.stream(as)).status, 400);
        assert.equal((await peer.delete(as)).status, 400);
      }
      assert.equal((await peer.request('ping')).status, 200, 'the session is still there');
    });

    it('wants a client that takes both forms of an answer', async (t) => {
      const peer = await session(t);
      const ping = async (accept: string | undefined) =>
        (await peer.request('ping', {}, { headers: { accept } })).status;
      for (const accept of [
        'application/json',
        'text/event-stream',
        'text/html',
        'application/jsonp, text/*',
      ]) {
        assert.equal(await ping(accept), 406, accept);
      }
      for (const accept of [
        'text/event-stream, application/json',
        'application/json;q=0.9,text/event-stream;q=0.1',
        'Application/JSON, Text/Event-Stream',
        'application/*, text/*',
        '*/*',
        undefined,
      ]) {
        assert.equal(await ping(accept), 200, accept);
      }
      assert.equal((await peer.stream({ headers: { accept: 'application/json' } })).status, 406);
    });

    it('wants JSON', async (t) => {
      const peer = await session(t);
      const ping = async (type: string | undefined) =>
        (await peer.request('ping', {}, { headers: { 'content-type': type } })).status;
      for (const type of [
        'text/plain',
        'application/x-www-form-urlencoded',
        'application/jsonp',
        '',
        undefined,
      ]) {
        assert.equal(await ping(type), 415, type);
      }
      for (const type of ['application/json; charset=utf-8', 'Application/Json', 'application/json ;x=y']) {
        assert.equal(await ping(type), 200, type);
      }
    });

    it('knows three methods and one path', async () => {
      for (const method of ['PUT', 'PATCH', 'OPTIONS', 'HEAD']) {
        const response = await fetch(gateway.mcpUrl, { method });
        assert.equal(response.status, 405, method);
        assert.equal(response.headers.get('allow'), 'GET, POST, DELETE');
      }
      for (const path of ['/', '/mcp/', '/mcp/x', '/sse', '/%2e%2e/mcp%00']) {
        assert.equal((await fetch(new URL(path, gateway.mcpUrl))).status, 404, path);
      }
    });
  });

  describe('answers', () => {
    it('come as JSON, also where the server gives them in a stream that holds nothing else', async (t) => {
      const peer = await session(t);
      for (const form of ['json', 'sse'] as const) {
        server.answers = form;
        const { headers, messages } = await peer.callTool('one__echo', { text: form }, { id: form });
        assert.equal(headers['content-type'], 'application/json');
        assert.equal(messages.length, 1);
        assert.equal(textOf(messages[0]!), form);
        assert.equal(messages[0]!.id, form);
      }
      server.answers = 'json';
    });

    it('tell a tool that failed from a call that could not be made', async (t) => {
      const peer = await session(t);
      const failed = await peer.callTool('one__fail');
      assert.equal(failed.message!.result.isError, true);
      const unknown = await peer.callTool('one__nothing', {}, { id: 'u' });
      assert.deepEqual(unknown.message, failure('u', -32602, 'Unknown tool: one__nothing'));
      assert.equal(unknown.status, 200);
    });

    it('bring progress with the caller’s own token', async (t) => {
      const peer = await session(t);
      for (const progressToken of ['7', 7, 0, 'ünï']) {
        const params = { name: 'one__slow', arguments: { steps: 3, stepMs: 1 }, _meta: { progressToken } };
        const { messages } = await peer.request('tools/call', params);
        assert.deepEqual(
          messages.map((message) => message.params?.['progress']),
          [1, 2, 3, undefined],
        );
        for (const message of messages.slice(0, -1))
          assert.equal(message.params!['progressToken'], progressToken);
      }
    });

    it('to a ping are empty', async (t) => {
      const peer = await session(t);
      assert.deepEqual((await peer.request('ping', undefined, { id: 'p' })).message, result('p', {}));
    });

    it('to notifications are 202 and nothing', async (t) => {
      const peer = await session(t);
      for (const [method, params] of [
        ['notifications/initialized', undefined],
        ['notifications/cancelled', { requestId: 'never-sent' }],
        ['notifications/cancelled', {}],
        ['notifications/progress', { progressToken: 'unknown', progress: 1 }],
        ['notifications/roots/list_changed', undefined],
        ['notifications/no/such/thing', { any: 'thing' }],
      ] as const) {
        const { status, text } = await peer.notify(method, params);
        assert.equal(status, 202, method);
        assert.equal(text, '');
      }
    });

    it('to a method that nobody knows say so', async (t) => {
      const peer = await session(t);
      for (const method of ['no/such/method', 'constructor', '__proto__', 'tools', 'TOOLS/LIST']) {
        const { message } = await peer.request(method, {}, { id: method });
        assert.deepEqual(message, failure(method, -32601, `Method not found: ${method}`));
      }
    });
  });

  describe('batches', () => {
    it('are answered in 2025-03-26', async (t) => {
      const peer = await session(t, { protocolVersion: '2025-03-26' });
      const { status, messages } = await peer.post([
        request('a', 'tools/call', { name: 'one__echo', arguments: { text: 'A' } }),
        notification('notifications/initialized'),
        request('b', 'ping'),
        request('c', 'no/such/method'),
        request('d', 'tools/call', {
          name: 'one__slow',
          arguments: { steps: 2, stepMs: 1 },
          _meta: { progressToken: 'd' },
        }),
      ]);
      assert.equal(status, 200);
      const answers = new Map(
        messages.filter(({ id }) => id !== undefined).map((message) => [message.id, message]),
      );
      assert.deepEqual([...answers.keys()].toSorted(), ['a', 'b', 'c', 'd']);
      assert.equal(textOf(answers.get('a')!), 'A');
      assert.deepEqual(answers.get('b')!.result, {});
      assert.equal(answers.get('c')!.error!.code, -32601);
      assert.equal(textOf(answers.get('d')!), '2 steps');
      assert.equal(messages.length, 6, 'four answers and two of progress');
    });

    it('of notifications are 202', async (t) => {
      const peer = await session(t, { protocolVersion: '2025-03-26' });
      const { status, text } = await peer.post([notification('notifications/initialized')]);
      assert.equal(status, 202);
      assert.equal(text, '');
    });

    it('are wrong when empty, with a handshake, with what is not a message, or of any other version', async (t) => {
      const old = await session(t, { protocolVersion: '2025-03-26' });
      for (const batch of [
        [],
        [request(1, 'initialize', {})],
        [request(1, 'ping'), 7],
        [[request(1, 'ping')]],
      ]) {
        const { status, message } = await old.post(batch);
        assert.equal(status, 400, JSON.stringify(batch));
        assert.equal(message!.error!.code, -32600);
      }
      for (const protocolVersion of ['2025-06-18', '2025-11-25']) {
        const peer = await session(t, { protocolVersion });
        const { status, message } = await peer.post([request(1, 'ping')]);
        assert.equal(status, 400);
        assert.match(message!.error!.message, /batch/);
      }
      assert.equal((await old.request('ping')).status, 200);
    });
  });

  describe('pages', () => {
    const cursorOf = async (peer: RawClient, method: ListMethod): Promise<string> => {
      const [first] = await listPages(peer, method);
      assert.ok(first!.nextCursor, method);
      return first!.nextCursor;
    };
    const refusal = async (peer: RawClient, method: ListMethod, cursor: unknown): Promise<string> => {
      const { message } = await peer.request(method, { cursor });
      assert.equal(
        message!.error?.code,
        -32602,
        `${method} ${JSON.stringify(cursor)}: ${JSON.stringify(message)}`,
      );
      return message!.error!.message;
    };

    it('hold as many entries as configured, and together the list, in a stable order', async (t) => {
      const peer = await session(t);
      for (const method of LIST_METHODS) {
        const pages = await listPages(peer, method);
        assert.ok(pages.length > 1);
        for (const { entries } of pages.slice(0, -1)) assert.equal(entries.length, 2);
        assert.ok([1, 2].includes(pages.at(-1)!.entries.length));
        assert.deepEqual(await listNames(peer, method), await listNames(await session(t), method));
      }
      const own = server.peer.tools.map(({ name }) => `one__${name}`);
      const names = await listNames(peer);
      assert.deepEqual(
        names.filter((name) => name.startsWith('one__')),
        own,
      );
      assert.equal(new Set(names).size, names.length);
      assert.deepEqual(await listNames(peer, 'resources/list'), ['one://a', 'one://b', 'one://c']);
      assert.deepEqual(await listNames(peer, 'prompts/list'), ['one__p', 'one__q', 'one__r']);
    });

    it('are not had for a cursor that is made up, of another list, or no string', async (t) => {
      const peer = await session(t);
      for (const method of LIST_METHODS) {
        const own = await cursorOf(peer, method);
        const foreign = await cursorOf(peer, method === 'tools/list' ? 'prompts/list' : 'tools/list');
        // What a client could learn by looking into one.
        const [kind, version] = Buffer.from(own, 'base64url').toString().split('.');
        const beyond = Buffer.from(`${kind}.${version}.999`).toString('base64url');
        const negative = Buffer.from(`${kind}.${version}.-1`).toString('base64url');
        for (const bad of [42, null, {}, '', 'made-up', own.slice(1), foreign, beyond, negative]) {
          assert.match(await refusal(peer, method, bad), /"cursor"/);
        }
        assert.ok((await peer.request(method, { cursor: own })).message!.result);
      }
    });

    it('of a list that has changed since are refused', async (t) => {
      const peer = await session(t);
      const cursor = await cursorOf(peer, 'tools/list');
      const tools = server.peer.tools;
      server.setTools([...tools, { name: 'brand_new' }]);
      const lists = (name: string) => async () => (await listNames(peer)).includes(name);
      await until(lists('one__brand_new'), { what: 'the new tool' });
      assert.match(await refusal(peer, 'tools/list', cursor), /outdated/);
      server.setTools(tools);
    });
  });
});
