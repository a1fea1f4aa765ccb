import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it, type TestContext } from 'node:test';
import { type Cluster, clientAt, startCluster } from '../support/cluster.ts';
import { CountingServer } from '../support/counting-http.ts';
import { text } from '../support/peer-tools.ts';
import { RawClient, type RawStream } from '../support/raw-client.ts';
import { isRequest, isResponse, type Message, request, textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';

describe('a call whose client comes back to another node', () => {
  let cluster: Cluster;
  let server: CountingServer;
  /** Steps that the tool may take. */
  let allowed = 0;
  let runs = 0;

  before(async () => {
    [cluster, server] = await Promise.all([startCluster(), CountingServer.start({ answers: 'sse' })]);
    server.peer.tools = [
      ...server.peer.tools,
      {
        name: 'steps',
        description: 'Reports four steps, each when the test allows it',
        async run({ notify, meta }) {
          runs++;
          for (let progress = 1; progress <= 4; progress++) {
            await until(() => allowed >= progress, { what: `step ${progress}`, timeoutMs: 60_000 });
            const { progressToken } = meta;
            notify('notifications/progress', { progressToken, progress, total: 4 });
          }
          return text('four steps');
        },
      },
    ];
    await cluster.nodes[0]!.addServer({ name: 'one', url: server.url });
  });

  after(async () => {
    allowed = 4;
    await cluster?.stop();
    await server?.close();
  });

  beforeEach(() => {
    allowed = 0;
    runs = 0;
  });

  async function session(t: TestContext, at: number): Promise<RawClient> {
    const client = new RawClient(cluster.nodes[at]!.mcpUrl, { capabilities: { elicitation: {} } });
    t.after(() => client.close());
    assert.equal((await client.initialize()).status, 200);
    return client;
  }

  const at = (t: TestContext, place: number, client: RawClient) => {
    const other = clientAt(cluster.nodes[place]!.mcpUrl, client);
    t.after(() => other.close());
    return other;
  };

  const call = (client: RawClient, name: string): Promise<RawStream> => {
    const params = { name: `one__${name}`, arguments: {}, _meta: { progressToken: 'p' } };
    return client.postStream(request('c', 'tools/call', params));
  };

  /** Reads until a message is as wanted. Returns all, and the last event id. */
  async function read(stream: RawStream, last: (message: Message) => boolean) {
    const messages: Message[] = [];
    let lastEventId = '';
    for await (const { id, message } of stream) {
      lastEventId = id ?? lastEventId;
      if (message === undefined) continue;
      messages.push(message);
      if (last(message)) break;
    }
    return { messages, lastEventId };
  }

  const step = (n: number) => (message: Message) => message.params?.['progress'] === n;

  it('gets the rest of its answer there, each message once', async (t) => {
    const client = await session(t, 0);
    allowed = 2;
    const first = await read(await call(client, 'steps'), step(2));
    client.close();
    allowed = 3;
    const stream = await at(t, 1, client).stream({ lastEventId: first.lastEventId });
    assert.equal(stream.status, 200);
    const second = await read(stream, step(3));
    allowed = 4;
    stream.close();
    const third = await read(await at(t, 2, client).stream({ lastEventId: second.lastEventId }), isResponse);
    const messages = [first, second, third].flatMap((part) => part.messages);
    assert.deepEqual(
      messages.map((message) => message.params?.['progress'] ?? textOf(message)),
      [1, 2, 3, 4, 'four steps'],
    );
    assert.equal(messages.at(-1)!.id, 'c');
    assert.equal(runs, 1);
  });

  it('gets an answer there that was complete before it came', async (t) => {
    const client = await session(t, 0);
    allowed = 1;
    const first = await read(await call(client, 'steps'), step(1));
    client.close();
    allowed = 4;
    const second = await read(await at(t, 1, client).stream({ lastEventId: first.lastEventId }), isResponse);
    assert.deepEqual(
      second.messages.map((message) => message.params?.['progress'] ?? textOf(message)),
      [2, 3, 4, 'four steps'],
    );
  });

  it('is asked there, and answers there', async (t) => {
    const client = await session(t, 0);
    const first = await call(client, 'elicit');
    // The stream is primed: the client can come back though it has seen nothing.
    let lastEventId = '';
    for await (const event of first) {
      lastEventId = event.id ?? lastEventId;
      if (lastEventId !== '') break;
    }
    client.close();
    const elsewhere = at(t, 1, client);
    const stream = await elsewhere.stream({ lastEventId });
    const asked = await read(stream, isRequest);
    const question = asked.messages.at(-1)!;
    assert.equal(question.method, 'elicitation/create');
    const result = { action: 'accept', content: { answer: 'yes' } };
    assert.equal((await at(t, 2, client).respond(question.id!, result)).status, 202);
    const { messages } = await read(await elsewhere.stream({ lastEventId: asked.lastEventId }), isResponse);
    assert.deepEqual(JSON.parse(textOf(messages.at(-1)!)), result);
  });

  it('gets one clear error where the node that ran the call is dead; the call is not run again', async (t) => {
    const client = await session(t, 0);
    allowed = 1;
    const first = await read(await call(client, 'steps'), step(1));
    await cluster.kill(0);
    t.after(() => cluster.revive(0));
    const { messages } = await read(
      await at(t, 1, client).stream({ lastEventId: first.lastEventId }),
      isResponse,
    );
    assert.equal(messages.length, 1);
    assert.equal(messages[0]!.id, 'c');
    assert.match(messages[0]!.error!.message, /node|unknown/i);
    assert.equal(runs, 1);
    const again = await at(t, 2, client).callTool('one__echo', { text: 'on' });
    assert.equal(textOf(again.message!), 'on');
  });
});
