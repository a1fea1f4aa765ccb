import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import { countOf, inbox } from '../support/inbox.ts';
import { LIST_METHODS, listNames } from '../support/lists.ts';
import { type PeerTool, text } from '../support/peer-tools.ts';
import { RawClient, type RawClientOptions } from '../support/raw-client.ts';
import { type Message, notification, textOf } from '../support/rpc.ts';
import { echoStdio } from '../support/stdio-commands.ts';
import { until } from '../support/wait.ts';

const LISTS_CHANGED = ['tools', 'prompts', 'resources'].map((list) => `notifications/${list}/list_changed`);

/** A client that can answer whatever a server may ask. */
const ABLE = { elicitation: {}, sampling: {}, roots: { listChanged: true } };

const LOG = { level: 'warning', logger: 'peer', data: { n: 1 } };
const logTool: PeerTool = {
  name: 'log',
  run: ({ notify }) => {
    notify('notifications/message', LOG);
    return text('logged');
  },
};

describe('relay between clients and servers', () => {
  let gateway: Gateway;
  let one: CountingServer;
  let two: CountingServer;
  let oneId: string;

  const offers = (name: string) => ({
    name,
    resources: [{ uri: `${name}://r`, name: 'r' }],
    resourceTemplates: [{ uriTemplate: `${name}://t/{id}`, name: 't' }],
    prompts: [{ name: 'p', arguments: [{ name: 'topic' }] }],
  });

  before(async () => {
    [one, two] = await Promise.all([
      CountingServer.start(offers('one')),
      CountingServer.start(offers('two')),
    ]);
    one.peer.tools = [...one.peer.tools, logTool];
    gateway = await Gateway.start();
    oneId = await gateway.addServer({ name: 'one', url: one.url });
    await gateway.addServer({ name: 'two', url: two.url });
    await gateway.addServer({ name: 'proc', stdio: echoStdio('proc') });
  });

  after(async () => {
    await gateway?.stop();
    await Promise.all([one?.close(), two?.close()]);
  });

  async function session(t: TestContext, options?: RawClientOptions): Promise<RawClient> {
    const client = new RawClient(gateway.mcpUrl, options);
    t.after(async () => {
      await client.delete();
      client.close();
    });
    assert.equal((await client.initialize()).status, 200);
    return client;
  }

  async function listening(t: TestContext, options?: RawClientOptions) {
    const client = await session(t, options);
    const stream = await client.stream();
    assert.equal(stream.status, 200);
    assert.match(String(stream.headers['content-type']), /^text\/event-stream/);
    return { client, messages: inbox(stream) };
  }

  const arrived = (messages: readonly Message[], method: string, count = 1) =>
    until(() => countOf(messages, method) >= count, { what: `${count} × ${method}` });

  describe('lists', () => {
    it('hold what every server has', async (t) => {
      const client = await session(t);
      const names = await listNames(client);
      for (const name of ['echo', 'one__echo', 'two__echo', 'proc__echo'])
        assert.ok(names.includes(name), name);
      assert.deepEqual(await listNames(client, 'prompts/list'), ['one__p', 'two__p', 'proc__greet']);
      assert.deepEqual(await listNames(client, 'resources/list'), ['one://r', 'two://r', 'stdio://greeting']);
      assert.deepEqual(await listNames(client, 'resources/templates/list'), ['one://t/{id}', 'two://t/{id}']);
    });

    it('follow a server that is added, changed, switched off and removed, and clients hear of it', async (t) => {
      const { client, messages } = await listening(t);
      const extra = await CountingServer.start(offers('extra'));
      t.after(() => extra.close());
      const heard = async (step: string, names: readonly string[], expect: () => Promise<void>) => {
        const counts = names.map((name) => countOf(messages, name));
        await expect();
        for (const [index, name] of names.entries()) {
          await until(() => countOf(messages, name) > counts[index]!, { what: `${name} when ${step}` });
        }
      };
      const has = (prefix: string) =>
        until(async () => (await listNames(client)).includes(`${prefix}__echo`), {
          what: `tools of ${prefix}`,
        });
      const hasNot = (prefix: string) =>
        until(
          async () => {
            const lists = await Promise.all(LIST_METHODS.map((method) => listNames(client, method)));
            return !lists.flat().some((name) => name.startsWith(prefix));
          },
          { what: `nothing of ${prefix}` },
        );

      let id = '';
      await heard('added', LISTS_CHANGED, async () => {
        id = await gateway.addServer({ name: 'extra', url: extra.url });
        // At once: whoever asks for something unknown waits for a server that is only just being asked.
        const { message } = await client.callTool('extra__echo', { text: 'at once' });
        assert.equal(textOf(message!), 'at once');
        await has('extra');
      });
      assert.ok((await listNames(client, 'prompts/list')).includes('extra__p'));
      assert.ok((await listNames(client, 'resources/list')).includes('extra://r'));
      assert.equal(textOf((await client.callTool('extra__echo', { text: 'hi' })).message!), 'hi');

      await heard('renamed', LISTS_CHANGED.slice(0, 2), async () => {
        await gateway.manage('UpdateMcpServer', { server: { id }, changes: { toolPrefix: 'other' } });
        await has('other');
      });
      assert.ok((await listNames(client, 'prompts/list')).includes('other__p'));
      assert.equal((await client.callTool('extra__echo')).message!.error!.code, -32602);
      assert.equal(textOf((await client.callTool('other__echo', { text: 'hi' })).message!), 'hi');

      await heard('switched off', LISTS_CHANGED, async () => {
        await gateway.manage('UpdateMcpServer', { server: { id }, changes: { enabled: false } });
        await hasNot('other');
        await hasNot('extra');
      });
      await heard('switched on', LISTS_CHANGED, async () => {
        await gateway.manage('UpdateMcpServer', { server: { id }, changes: { enabled: true } });
        await has('other');
      });
      await heard('removed', LISTS_CHANGED, async () => {
        await gateway.manage('DeleteMcpServer', { server: { id } });
        await hasNot('other');
      });
      assert.match(
        (await client.callTool('other__echo')).message!.error!.message,
        /Unknown tool: other__echo/,
      );
      const { text: read } = await client.request('resources/read', { uri: 'extra://r' });
      assert.doesNotMatch(read, /extra has/);
      await until(() => extra.openSessions.length === 0, { what: 'the end of all sessions with it' });
    });

    it('follow what a server says of its own lists', async (t) => {
      const { client, messages } = await listening(t);
      const { tools, prompts, resources } = one.peer;
      t.after(() => Object.assign(one.peer, { tools, prompts, resources }));
      const changes = [
        ['tools', 'tools/list', 'one__extra', () => ({ tools: [...tools, { name: 'extra' }] })],
        ['prompts', 'prompts/list', 'one__extra', () => ({ prompts: [...prompts, { name: 'extra' }] })],
        [
          'resources',
          'resources/list',
          'one://extra',
          () => ({ resources: [{ uri: 'one://extra', name: 'x' }] }),
        ],
      ] as const;
      for (const [list, method, name, change] of changes) {
        Object.assign(one.peer, change());
        one.notify(`notifications/${list}/list_changed`);
        await arrived(messages, `notifications/${list}/list_changed`);
        await until(async () => (await listNames(client, method)).includes(name), { what: name });
      }
      await client.callTool('proc__add_tool', { name: 'grown' });
      await until(async () => (await listNames(client)).includes('proc__grown'), {
        what: 'the tool of the process',
      });
    });

    it('that change while nobody listens are told to the next stream', async (t) => {
      const client = await session(t);
      await listNames(client);
      const tools = one.peer.tools;
      one.setTools([...tools, { name: 'while_away' }]);
      await until(async () => (await listNames(client)).includes('one__while_away'), { what: 'the tool' });
      const messages = inbox(await client.stream());
      await arrived(messages, 'notifications/tools/list_changed');
      one.setTools(tools);
    });
  });

  describe('requests of clients', () => {
    it('for prompts, resources and completions reach the server under its own names', async (t) => {
      const client = await session(t);
      const prompt = await client.request('prompts/get', { name: 'two__p', arguments: { topic: 'x' } });
      assert.equal(prompt.message!.result.messages[0].content.text, 'two: p');
      assert.deepEqual(two.last('prompts/get')!.message!.params, { name: 'p', arguments: { topic: 'x' } });

      for (const uri of ['two://r', 'two://t/42', 'two://not/listed']) {
        const { message } = await client.request('resources/read', { uri });
        assert.deepEqual(message!.result.contents, [{ uri, text: `two has ${uri}` }]);
      }

      const argument = { name: 'topic', value: 'w' };
      const values = async (ref: Record<string, unknown>) =>
        (await client.request('completion/complete', { ref, argument })).message!.result.completion.values;
      assert.deepEqual(await values({ type: 'ref/prompt', name: 'one__p' }), ['one-1', 'one-2']);
      const relayed = { ref: { type: 'ref/prompt', name: 'p' }, argument };
      assert.deepEqual(one.last('completion/complete')!.message!.params, relayed);
      assert.deepEqual(await values({ type: 'ref/resource', uri: 'two://t/{id}' }), ['two-1', 'two-2']);
      assert.deepEqual(await values({ type: 'ref/resource', uri: 'two://t/1' }), ['two-1', 'two-2']);
      assert.deepEqual(await values({ type: 'ref/prompt', name: 'proc__greet' }), ['proc-1', 'proc-2']);
    });

    it('for what no server has name it', async (t) => {
      const client = await session(t);
      const argument = { name: 'topic', value: '' };
      const wrong: [string, Record<string, unknown>, number, RegExp][] = [
        ['prompts/get', { name: 'one__nothing' }, -32602, /Unknown prompt: one__nothing/],
        ['prompts/get', { name: 7 }, -32602, /"name"/],
        ['resources/read', {}, -32602, /"uri"/],
        [
          'completion/complete',
          { ref: { type: 'ref/prompt', name: 'no' }, argument },
          -32602,
          /Unknown prompt: no/,
        ],
        ['completion/complete', { ref: { type: 'ref/tool', name: 'no' }, argument }, -32602, /ref\.type/],
        ['completion/complete', { argument }, -32602, /"ref"/],
        ['logging/setLevel', { level: 'loud' }, -32602, /debug, info/],
        ['tools/call', {}, -32602, /"name"/],
      ];
      for (const [method, params, code, reason] of wrong) {
        const { message } = await client.request(method, params);
        assert.equal(message!.error!.code, code, method);
        assert.match(message!.error!.message, reason);
      }
    });

    it('are cancelled at the server that works on them, and at no other', async (t) => {
      const [client, other] = await Promise.all([session(t), session(t)]);
      const before = { one: one.peer.cancelled, two: two.peer.cancelled };
      const cancelled = client.callTool('one__hold', {}, { id: 'x' });
      const kept = client.callTool('two__hold', {}, { id: 'y' });
      const others = other.callTool('one__hold', {}, { id: 'x' });
      await until(() => one.peer.held === 2 && two.peer.held === 1, { what: 'three calls to be held' });
      await client.notify('notifications/cancelled', { requestId: 'x', reason: 'changed my mind' });
      assert.match((await cancelled).message!.error!.message, /Cancelled/, 'whoever still waits need not');
      await until(() => one.peer.cancelled === before.one + 1, { what: 'the cancellation' });
      assert.equal(one.peer.held, 1, 'the call of the other session with the same id');
      one.peer.release();
      two.peer.release();
      for (const call of [kept, others]) assert.equal(textOf((await call).message!), 'released');
      assert.equal(two.peer.cancelled, before.two);
    });

    it('are cancelled at a process, and its other calls go on', async (t) => {
      const client = await session(t);
      const cancelled = client.callTool('proc__hold', {}, { id: 1 });
      const kept = client.callTool('proc__slow', { steps: 3, stepMs: 5 }, { id: 2 });
      await until(
        async () => (await client.callTool('proc__calls')).message!.result.structuredContent.held === 1,
        {
          what: 'the call to be held',
        },
      );
      await client.notify('notifications/cancelled', { requestId: 1 });
      assert.match((await cancelled).message!.error!.message, /Cancelled/);
      assert.equal(textOf((await kept).message!), '3 steps');
      await until(
        async () => (await client.callTool('proc__calls')).message!.result.structuredContent.cancelled === 1,
        {
          what: 'the cancellation',
        },
      );
    });

    it('with an id that is in use are refused', async (t) => {
      const client = await session(t);
      const held = client.callTool('one__hold', {}, { id: 'same' });
      await until(() => one.peer.held === 1, { what: 'the call to be held' });
      const { message } = await client.callTool('two__echo', { text: 'hi' }, { id: 'same' });
      assert.equal(message!.error!.code, -32600);
      assert.equal(
        textOf((await client.callTool('two__echo', { text: 'hi' }, { id: 'same2' })).message!),
        'hi',
      );
      one.peer.release();
      assert.equal(textOf((await held).message!), 'released');
    });
  });

  describe('logging and subscriptions', () => {
    it('set a log level at every server that is in use, and at others when they come into use', async (t) => {
      const client = await session(t);
      await client.callTool('one__echo', { text: 'hi' });
      const before = { one: one.count('logging/setLevel'), two: two.count('logging/setLevel') };
      assert.deepEqual((await client.request('logging/setLevel', { level: 'warning' })).message!.result, {});
      assert.equal(one.count('logging/setLevel'), before.one + 1);
      assert.deepEqual(one.last('logging/setLevel')!.message!.params, { level: 'warning' });
      assert.equal(two.count('logging/setLevel'), before.two);
      await client.callTool('two__echo', { text: 'hi' });
      assert.equal(two.count('logging/setLevel'), before.two + 1);
    });

    it('bring log messages, on the answer of a call and outside', async (t) => {
      const { client, messages } = await listening(t);
      const answer = await client.callTool('one__log');
      assert.deepEqual(answer.messages[0], notification('notifications/message', LOG));
      assert.equal(textOf(answer.message!), 'logged');
      await until(() => one.openStreams >= 2, { what: 'the session of this client to listen at the server' });
      one.notify('notifications/message', LOG);
      await arrived(messages, 'notifications/message');
      assert.deepEqual(messages.find(({ method }) => method === 'notifications/message')!.params, LOG);
    });

    it('subscribe at the owner of a resource, and bring its updates', async (t) => {
      const { client, messages } = await listening(t);
      const uri = 'two://r';
      assert.deepEqual((await client.request('resources/subscribe', { uri })).message!.result, {});
      assert.deepEqual([...two.peer.subscriptions], [uri]);
      assert.equal(one.peer.subscriptions.size, 0);
      await until(() => two.openStreams >= 2, { what: 'the session of this client to listen at the server' });
      two.notify('notifications/resources/updated', { uri });
      await arrived(messages, 'notifications/resources/updated');
      assert.deepEqual(
        messages.filter(({ method }) => method === 'notifications/resources/updated'),
        [notification('notifications/resources/updated', { uri })],
      );
      assert.deepEqual((await client.request('resources/unsubscribe', { uri })).message!.result, {});
      assert.equal(two.peer.subscriptions.size, 0);
    });

    it('are told again to a server that forgot its sessions', async (t) => {
      const client = await session(t);
      await client.request('resources/subscribe', { uri: 'two://r' });
      await client.request('logging/setLevel', { level: 'error' });
      const levels = two.count('logging/setLevel');
      two.peer.subscriptions.clear();
      two.expireSessions();
      assert.equal(textOf((await client.callTool('two__echo', { text: 'hi' })).message!), 'hi');
      await until(() => two.peer.subscriptions.has('two://r'), { what: 'the subscription' });
      await until(() => two.count('logging/setLevel') > levels, { what: 'the log level' });
    });
  });

  describe('requests of servers', () => {
    const answers: Record<string, unknown> = {
      'elicitation/create': { action: 'accept', content: { answer: 'yes' } },
      'sampling/createMessage': { role: 'assistant', content: { type: 'text', text: 'A' }, model: 'm' },
      'roots/list': { roots: [{ uri: 'file:///tmp', name: 'tmp' }] },
    };
    const asks = { elicit: 'elicitation/create', sample: 'sampling/createMessage', roots: 'roots/list' };

    for (const server of ['one', 'proc']) {
      for (const [tool, method] of Object.entries(asks)) {
        it(`reach the client in the middle of a call: ${method} of ${server}`, async (t) => {
          const client = await session(t, { capabilities: ABLE });
          const asked: Message[] = [];
          const onMessage = async (message: Message) => {
            asked.push(message);
            const { status, text: body } = await client.respond(message.id!, answers[method]);
            assert.equal(status, 202);
            assert.equal(body, '');
          };
          const call = await client.callTool(
            `${server}__${tool}`,
            { message: 'Sure?', prompt: 'Sure?' },
            { onMessage },
          );
          assert.equal(asked.length, 1);
          assert.equal(asked[0]!.method, method);
          if (tool === 'elicit') assert.equal(asked[0]!.params!['message'], 'Sure?');
          assert.deepEqual(JSON.parse(textOf(call.message!)), answers[method]);
        });
      }
    }

    it('may be refused by the client', async (t) => {
      const client = await session(t, { capabilities: ABLE });
      for (const server of ['one', 'proc']) {
        const call = await client.callTool(
          `${server}__sample`,
          {},
          {
            onMessage: async ({ id }) => {
              const error = { code: -1, message: 'User rejected sampling request' };
              assert.equal((await client.post({ jsonrpc: '2.0', id, error })).status, 202);
            },
          },
        );
        assert.match(call.message!.error!.message, /User rejected sampling request/);
      }
    });

    it('come only from servers that were told that the client can answer', async (t) => {
      const client = await session(t, { capabilities: { sampling: {} } });
      await client.callTool('one__echo', { text: 'hi' });
      const opened = one.seen.filter(({ message }) => message?.method === 'initialize');
      assert.deepEqual(opened.at(-1)!.message!.params!['capabilities'], { sampling: {} });
    });

    it('are answered by the client that was asked, and by nobody else', async (t) => {
      const [client, other] = await Promise.all([
        session(t, { capabilities: ABLE }),
        session(t, { capabilities: ABLE }),
      ]);
      for (const server of ['one', 'proc']) {
        await other.callTool(`${server}__echo`, { text: 'hi' });
        const call = await client.callTool(
          `${server}__elicit`,
          {},
          {
            onMessage: async ({ id }) => {
              await other.respond(id!, { action: 'accept', content: { answer: 'not mine to give' } });
              assert.equal((await client.respond(id!, { action: 'decline' })).status, 202);
            },
          },
        );
        assert.deepEqual(JSON.parse(textOf(call.message!)), { action: 'decline' }, server);
      }
    });

    it('that nobody made are not answered', async (t) => {
      const client = await session(t, { capabilities: ABLE });
      for (const id of ['made-up', 'x:1', 1, 0, '', `${oneId}:"ask-1"`, '__proto__:1', ':1', 'a:b:c']) {
        const { status, message } = await client.respond(id, {});
        assert.equal(status, 400, String(id));
        assert.equal(message!.error!.code, -32600);
      }
      assert.equal((await client.post({ jsonrpc: '2.0', id: null, result: {} })).status, 400);
    });
  });
});

describe('a gateway that is started again', () => {
  it('has its servers and their secrets', async (t) => {
    const header = { name: 'x-api-key', value: 'secret-header-value' };
    const server = await CountingServer.start({ requiredHeader: header });
    t.after(() => server.close());
    const dataDir = await mkdtemp(join(tmpdir(), 'dragon-restart-'));
    t.after(() => rm(dataDir, { recursive: true, force: true }));
    const env = { DRAGON_TEST_TOKEN: 'secret-env-value' };

    const uses = async (gateway: Gateway) => {
      const client = new RawClient(gateway.mcpUrl);
      t.after(() => client.close());
      await client.initialize();
      assert.equal(textOf((await client.callTool('api__echo', { text: 'hi' })).message!), 'hi');
      const variable = await client.callTool('proc__env', { name: 'DRAGON_TEST_TOKEN' });
      assert.equal(textOf(variable.message!), env.DRAGON_TEST_TOKEN);
      return client;
    };

    const first = await Gateway.start({ dataDir });
    await first.addServer({ name: 'api', url: server.url, headers: { [header.name]: header.value } });
    await first.addServer({ name: 'proc', stdio: { ...echoStdio(), env } });
    const before = await uses(first);
    assert.equal(await first.stop(), 0);
    assert.equal(server.openSessions.length, 0, 'no session is left at the server');

    const second = await Gateway.start({ dataDir });
    t.after(() => second.stop());
    await uses(second);
    const old = { headers: { 'mcp-session-id': before.sessionId } };
    const { status, message } = await new RawClient(second.mcpUrl).request('ping', {}, old);
    assert.equal(status, 404, 'its client initialises again');
    assert.deepEqual(message, { jsonrpc: '2.0', id: null, error: message!.error });
    for (const secret of [header.value, env.DRAGON_TEST_TOKEN]) {
      assert.ok(!JSON.stringify(await second.manage('ListMcpServers')).includes(secret));
      for (const { output } of [first, second]) assert.ok(!output.includes(secret));
    }
  });
});
