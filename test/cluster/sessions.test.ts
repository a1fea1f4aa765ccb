import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { type Cluster, clientAt, startCluster } from '../support/cluster.ts';
import { CountingServer } from '../support/counting-http.ts';
import { countOf, inbox } from '../support/inbox.ts';
import { listNames } from '../support/lists.ts';
import { RawClient, type RawClientOptions } from '../support/raw-client.ts';
import { isRequest, type Message, notification, textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';

/** A client that can answer whatever a server may ask. */
const ABLE = { elicitation: {}, sampling: {}, roots: { listChanged: true } };

describe('a session on three nodes', () => {
  let cluster: Cluster;
  let server: CountingServer;

  before(async () => {
    [cluster, server] = await Promise.all([
      startCluster(),
      CountingServer.start({ name: 'one', resources: [{ uri: 'one://r', name: 'r' }] }),
    ]);
    await cluster.nodes[0]!.addServer({ name: 'one', url: server.url });
    await Promise.all(cluster.nodes.map((_, place) => has(place, 'one__echo')));
  });

  after(async () => {
    await cluster?.stop();
    await server?.close();
  });

  /** A session that was opened at one node, as a client of each of the three. */
  async function session(t: TestContext, options?: RawClientOptions, at = 0): Promise<readonly RawClient[]> {
    const first = new RawClient(cluster.nodes[at]!.mcpUrl, options);
    const answer = await first.initialize();
    assert.equal(answer.status, 200, answer.text);
    const clients = cluster.nodes.map(({ mcpUrl }) => clientAt(mcpUrl, first));
    t.after(async () => {
      await clients[0]!.delete();
      for (const client of [first, ...clients]) client.close();
    });
    return clients;
  }

  async function has(place: number, tool: string): Promise<void> {
    const client = new RawClient(cluster.nodes[place]!.mcpUrl);
    await client.initialize();
    await until(async () => (await listNames(client)).includes(tool), { what: `${tool} at node ${place}` });
    await client.delete();
    client.close();
  }

  async function listening(client: RawClient, lastEventId?: string) {
    const stream = await client.stream(lastEventId === undefined ? {} : { lastEventId });
    assert.equal(stream.status, 200);
    return { stream, messages: inbox(stream) };
  }

  let calls = 0;
  /** Calls the server, and says which session it was called in. */
  async function sessionWithServer(client: RawClient): Promise<string> {
    const text = `call ${++calls}`;
    await client.callTool('one__echo', { text });
    const call = server.seen.findLast(({ message }) => {
      return (message?.params?.['arguments'] as { text?: string } | undefined)?.text === text;
    });
    return call!.sessionId!;
  }

  const gets = (sessionId: string) =>
    server.seen.filter((seen) => seen.httpMethod === 'GET' && seen.sessionId === sessionId).length;

  /** Waits until the server's session is listened to for the n-th time. */
  const heard = (sessionId: string, n: number) =>
    until(() => gets(sessionId) >= n, { what: `somebody to listen to the server, time ${n}` });

  it('opens at one node, works at all, and ends everywhere when one is told', async (t) => {
    const clients = await session(t);
    for (const [place, client] of clients.entries()) {
      const { message, text } = await client.callTool('one__echo', { text: `at ${place}` });
      assert.equal(textOf(message!), `at ${place}`, text);
    }
    const opened = server.sessionsOpened;
    await clients[1]!.callTool('one__echo', { text: 'again' });
    assert.equal(server.sessionsOpened, opened, 'a session of its own with the server');
    assert.equal((await clients[1]!.delete()).status, 204);
    for (const client of clients) {
      assert.equal((await client.request('ping')).status, 404);
      assert.equal((await client.stream()).status, 404);
      assert.equal((await client.delete()).status, 404);
    }
  });

  it('has one session with a server, whichever nodes it calls from, also at the same time', async (t) => {
    const opened = server.sessionsOpened;
    const clients = await session(t);
    const calls = [0, 1, 2, 0, 1, 2].map((place, n) => {
      return clients[place]!.callTool('one__echo', { text: String(n) }, { id: n + 100 });
    });
    const answers = await Promise.all(calls);
    assert.deepEqual(
      answers.map(({ message }) => textOf(message!)),
      ['0', '1', '2', '3', '4', '5'],
    );
    // Nodes that open one at the same time keep the first and close the others.
    await until(() => server.sessionsOpened - server.sessionsClosed <= opened + 1, {
      what: 'superfluous sessions to be closed',
    }).catch(() => {});
    const used = new Set(
      server.seen
        .filter(({ message }) => Number(message?.id) >= 100 && message?.method === 'tools/call')
        .map(({ sessionId }) => sessionId),
    );
    assert.equal(used.size, 1);
  });

  it('hears at one node of a server that was added at another', async (t) => {
    const clients = await session(t);
    const { messages } = await listening(clients[0]!);
    const extra = await CountingServer.start({ name: 'extra' });
    t.after(() => extra.close());
    const id = await cluster.nodes[1]!.addServer({ name: 'extra', url: extra.url });
    const changed = 'notifications/tools/list_changed';
    await until(async () => (await listNames(clients[2]!)).includes('extra__echo'), { what: 'the tool' });
    await until(() => countOf(messages, changed) > 0, { what: changed });
    assert.equal(textOf((await clients[2]!.callTool('extra__echo', { text: 'hi' })).message!), 'hi');
    const before = countOf(messages, changed);
    await cluster.nodes[2]!.manage('DeleteMcpServer', { server: { id } });
    await until(() => countOf(messages, changed) > before, { what: `${changed} when it went` });
    for (const client of clients) {
      await until(async () => !(await listNames(client)).includes('extra__echo'), { what: 'it to be gone' });
    }
  });

  it('hears at one node of a list that a server changed while another node was calling it', async (t) => {
    const clients = await session(t);
    const { messages } = await listening(clients[2]!);
    const { tools } = server.peer;
    t.after(() => server.setTools(tools));
    await clients[0]!.callTool('one__echo', { text: 'x' });
    server.peer.tools = [...tools, { name: 'late' }];
    await until(
      () => {
        // Nobody may be listening to the server yet.
        server.notify('notifications/tools/list_changed');
        return countOf(messages, 'notifications/tools/list_changed') > 0;
      },
      { what: 'the news' },
    );
    for (const client of clients) {
      await until(async () => (await listNames(client)).includes('one__late'), { what: 'the tool' });
    }
  });

  for (const [tool, method, result] of [
    ['elicit', 'elicitation/create', { action: 'accept', content: { answer: 'yes' } }],
    [
      'sample',
      'sampling/createMessage',
      { role: 'assistant', model: 'm', content: { type: 'text', text: 'ok' } },
    ],
    ['roots', 'roots/list', { roots: [{ uri: 'file:///x', name: 'x' }] }],
  ] as const) {
    it(`takes the answer to ${method} at any node`, async (t) => {
      const clients = await session(t, { capabilities: ABLE });
      for (const answering of clients) {
        const asked: Message[] = [];
        const call = await clients[0]!.callTool(
          `one__${tool}`,
          {},
          {
            onMessage: async (message) => {
              if (!isRequest(message)) return;
              asked.push(message);
              assert.equal((await answering.respond(message.id, result)).status, 202);
            },
          },
        );
        assert.deepEqual(
          asked.map((message) => message.method),
          [method],
        );
        assert.deepEqual(JSON.parse(textOf(call.message!)), result);
      }
    });
  }

  it('cancels at one node what runs at another', async (t) => {
    const clients = await session(t);
    const before = server.peer.cancelled;
    const call = clients[0]!.callTool('one__hold', {}, { id: 'held' });
    await until(() => server.peer.held > 0, { what: 'the call to run' });
    const reason = { requestId: 'held', reason: 'enough' };
    assert.equal((await clients[1]!.notify('notifications/cancelled', reason)).status, 202);
    await until(() => server.peer.cancelled > before, { what: 'the server to hear of it' });
    assert.equal(server.peer.held, 0);
    const { message } = await call.catch(() => ({ message: undefined }));
    assert.equal(message?.result, undefined);
    assert.equal(textOf((await clients[0]!.callTool('one__echo', { text: 'on' })).message!), 'on');
  });

  it('gets at one node what its stream at another missed, each message once', async (t) => {
    const clients = await session(t);
    const first = await clients[0]!.stream();
    const sessionId = await sessionWithServer(clients[0]!);
    await heard(sessionId, 1);
    const say = (n: number) => server.notify('notifications/message', { level: 'error', data: n });
    say(1);
    say(2);
    let lastEventId = '';
    const seen: unknown[] = [];
    for await (const { id, message } of first) {
      lastEventId = id ?? lastEventId;
      if (message?.method !== 'notifications/message') continue;
      seen.push(message.params!['data']);
      if (seen.length === 2) break;
    }
    first.close();
    say(3);
    const second = await listening(clients[1]!, lastEventId);
    await heard(sessionId, 2);
    say(4);
    const numbers = () =>
      second.messages
        .filter(({ method }) => method === 'notifications/message')
        .map((m) => m.params!['data']);
    await until(() => numbers().includes(4), { what: 'what was said meanwhile' });
    assert.deepEqual([...seen, ...numbers()], [1, 2, 3, 4]);
  });

  it('moves its stream to the node where it listened last', async (t) => {
    const clients = await session(t);
    const first = await listening(clients[0]!);
    const sessionId = await sessionWithServer(clients[0]!);
    await heard(sessionId, 1);
    const second = await listening(clients[1]!);
    await heard(sessionId, 2);
    server.notify('notifications/message', { level: 'error', data: 'once' });
    const said = (messages: readonly Message[]) => countOf(messages, 'notifications/message');
    await until(() => said(second.messages) > 0, { what: 'the message' });
    assert.equal(said(first.messages), 0);
    assert.equal(said(second.messages), 1);
  });

  it('heals at every node when the server has forgotten its session', async (t) => {
    const clients = await session(t);
    await clients[0]!.callTool('one__echo', { text: 'x' });
    server.expireSessions();
    const answers = await Promise.all(
      clients.map((client, place) => client.callTool('one__echo', { text: `at ${place}` })),
    );
    assert.deepEqual(
      answers.map(({ message }) => textOf(message!)),
      ['at 0', 'at 1', 'at 2'],
    );
  });

  it('is unknown under an id that never was, and takes nothing of it into the store', async () => {
    const client = new RawClient(cluster.mcpUrl);
    client.sessionId = 'A'.repeat(32);
    client.protocolVersion = '2025-11-25';
    assert.equal((await client.request('ping')).status, 404);
    assert.equal((await client.post(notification('notifications/initialized'))).status, 404);
    client.close();
    assert.equal(Number(await cluster.redis.call('EXISTS', `dragon:session:{${client.sessionId}}`)), 0);
  });
});
