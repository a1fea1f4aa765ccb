import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { openAnswer } from '../load/large-answers.ts';
import { type Cluster, clientAt, startCluster } from '../support/cluster.ts';
import type { Gateway } from '../support/gateway.ts';
import { countOf, inbox } from '../support/inbox.ts';
import { Journal } from '../support/journal.ts';
import { toolText } from '../support/marked-server.ts';
import { isRunning, parentOf } from '../support/processes.ts';
import { RawClient, type RawClientOptions } from '../support/raw-client.ts';
import { isRequest, type Message, request, textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';

const PLACES = [0, 1, 2];
const PAGE = 'journal://page';

async function connect(t: TestContext, url: string, options?: RawClientOptions): Promise<RawClient> {
  const client = new RawClient(url, options);
  t.after(() => client.close());
  const { status, text } = await client.initialize();
  assert.equal(status, 200, text);
  return client;
}

/** How many letters the tool `big` has answered, read to the end. */
async function lettersIn(response: IncomingMessage): Promise<number> {
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) body += chunk;
  // In a cluster an answer that takes a while is a stream, which the client could come back to.
  const isStream = response.headers['content-type'] === 'text/event-stream';
  return textOf(JSON.parse(isStream ? body.split(/^data: (?=.)/m).at(-1)! : body)).length;
}

describe('a server that is a process, in a cluster', () => {
  let cluster: Cluster;
  let journal: Journal;

  before(async () => {
    [cluster, journal] = await Promise.all([startCluster(), Journal.open()]);
    await cluster.nodes[0]!.addServer({ name: 'p', stdio: journal.command });
  });

  after(async () => {
    await cluster?.stop();
    await journal?.close();
  });

  const at = (t: TestContext, place: number, client: RawClient): RawClient => {
    const other = clientAt(cluster.nodes[place % 3]!.mcpUrl, client);
    t.after(() => other.close());
    return other;
  };

  /** Where the process of the last start runs. */
  async function ownerOf(client: RawClient): Promise<number> {
    const parent = parentOf(Number(await toolText(client, 'p__pid')));
    const place = cluster.nodes.findIndex((node) => node.process.pid === parent);
    assert.notEqual(place, -1, `no node has started the process: ${parent}`);
    return place;
  }

  async function stateOf(client: RawClient) {
    return (await client.callTool('p__state')).message!.result.structuredContent;
  }

  const work = async (client: RawClient, key: string): Promise<string> => {
    const { status, message, text } = await client.callTool('p__work', { key });
    return message?.result === undefined ? `${status} ${text}` : textOf(message);
  };

  it('is one, whichever node is called in whichever session', async (t) => {
    const clients = await Promise.all(Array.from({ length: 8 }, () => connect(t, cluster.mcpUrl)));
    const calls = clients.map(async (client, index) => {
      for (let time = 0; time < 12; time++) {
        const key = `many-${index}-${time}`;
        assert.equal(await work(client, key), key);
        assert.equal(journal.runsOf(key).length, 1);
      }
    });
    await Promise.all(calls);
    assert.equal(journal.starts.length, 1);
    await Promise.all(clients.map((client) => client.delete()));
    assert.equal(journal.starts.length, 1, 'no session is ended by starting a process for it');
  });

  it('reports progress, asks, and is answered through any node', async (t) => {
    for (const place of PLACES) {
      const capabilities = { elicitation: {}, sampling: {} };
      const client = await connect(t, cluster.nodes[place]!.mcpUrl, { capabilities });
      const params = {
        name: 'p__slow',
        arguments: { steps: 3, stepMs: 1 },
        _meta: { progressToken: 'token' },
      };
      const { messages } = await client.request('tools/call', params);
      assert.deepEqual(
        messages.map(({ params, result }) => params?.['progress'] ?? result.content[0].text),
        [1, 2, 3, '3 steps'],
      );
      for (const [step, tool] of ['elicit', 'sample'].entries()) {
        const stream = await client.postStream(request(tool, 'tools/call', { name: `p__${tool}` }));
        const question = await stream.next();
        assert.ok(question !== undefined && isRequest(question));
        const given = { action: 'accept', model: 'm', at: place };
        const answered = await at(t, place + 1 + step, client).respond(question.id, given);
        assert.equal(answered.status, 202, answered.text);
        assert.deepEqual(JSON.parse(textOf((await stream.next())!)), given);
      }
    }
  });

  it('is told of a cancellation, whichever node it comes to', async (t) => {
    const observer = await connect(t, cluster.mcpUrl);
    for (const place of PLACES) {
      const client = await connect(t, cluster.nodes[place]!.mcpUrl);
      const { cancelled } = await stateOf(observer);
      const call = client.callTool('p__hold', {}, { id: 'held' });
      await until(async () => (await stateOf(observer)).held === 1, { what: 'the call to run' });
      await at(t, place + 1, client).notify('notifications/cancelled', { requestId: 'held' });
      await call;
      await until(async () => (await stateOf(observer)).cancelled === cancelled + 1, {
        what: 'the cancellation',
      });
    }
  });

  it('answers 5 MB through any node, also to who reads late', async (t) => {
    const bytes = 5_000_000;
    for (const place of PLACES) {
      const client = await connect(t, cluster.nodes[place]!.mcpUrl);
      const unread = await openAnswer(client, 'p__big', 'late', { bytes: 2 * bytes });
      assert.equal(await lettersIn(await openAnswer(client, 'p__big', 'now', { bytes })), bytes);
      for (let time = 0; time < 10; time++) assert.equal(await work(client, `late-${time}`), `late-${time}`);
      assert.equal(await lettersIn(unread), 2 * bytes);
    }
  });

  it('says what it says outside any call once to each client, wherever that listens', async (t) => {
    const clients = await Promise.all(PLACES.map((place) => connect(t, cluster.nodes[place]!.mcpUrl)));
    const heard = await Promise.all(
      clients.map(async (client, place) => {
        // It calls on one node, and listens on the next.
        await work(client, `listen-${place}`);
        assert.deepEqual((await client.request('resources/subscribe', { uri: PAGE })).message!.result, {});
        return inbox(await at(t, place + 1, client).stream());
      }),
    );
    for (const data of [1, 2, 3]) await clients[data % 3]!.callTool('p__say', { data });
    const told = (messages: readonly Message[]) =>
      messages.flatMap(({ method, params }) => (method === 'notifications/message' ? params!['data'] : []));
    for (const messages of heard) {
      await until(
        () => told(messages).length >= 3 && countOf(messages, 'notifications/resources/updated') >= 3,
        {
          what: 'everything that was said',
        },
      );
      assert.deepEqual(told(messages), [1, 2, 3]);
      assert.equal(countOf(messages, 'notifications/resources/updated'), 3);
    }
    await Promise.all(clients.map((client) => client.delete()));
  });

  it('is started by another node when its own is killed; calls under way fail once, and nothing is run twice', async (t) => {
    const observer = await connect(t, cluster.mcpUrl);
    const owner = await ownerOf(observer);
    const others = PLACES.filter((place) => place !== owner);
    const clients = await Promise.all(others.map((place) => connect(t, cluster.nodes[place]!.mcpUrl)));
    const [first, second] = clients as [RawClient, RawClient];
    await first.request('resources/subscribe', { uri: PAGE });
    const news = inbox(await first.stream());
    const waiting = clients.map((client, index) => client.callTool('p__wait', { key: `killed-${index}` }));
    await until(async () => (await stateOf(first)).held === 2, { what: 'the calls to run' });
    const before = Number(await toolText(first, 'p__pid'));

    await cluster.kill(owner);
    t.after(() => cluster.revive(owner));
    assert.equal(await work(second, 'after-kill'), 'after-kill');
    for (const [index, call] of waiting.entries()) {
      const { message, messages } = await call;
      assert.equal(messages.length, 1);
      assert.match(message!.error!.message, /has gone; the outcome of the call is unknown/);
      assert.deepEqual(journal.runsOf(`killed-${index}`), [before]);
    }
    assert.equal(await work(first, 'after-kill-too'), 'after-kill-too');
    assert.equal(journal.runsOf('after-kill').length, 1);
    await until(() => !isRunning(before), { what: 'the end of the process whose node is dead' });
    assert.ok(!journal.runsOf('after-kill').includes(before));
    assert.deepEqual(journal.runsOf('after-kill'), journal.runsOf('after-kill-too'));
    await until(async () => (await stateOf(second)).subscriptions.includes(PAGE), {
      what: 'the subscription to be made again',
    });
    await second.callTool('p__say', { data: 'on' });
    await until(() => countOf(news, 'notifications/resources/updated') === 1, { what: 'news' });
  });
});

describe('a server that is a process, in a cluster whose nodes are stopped', () => {
  let cluster: Cluster;
  let journal: Journal;

  before(async () => {
    [cluster, journal] = await Promise.all([startCluster(), Journal.open()]);
    await cluster.nodes[0]!.addServer({ name: 'p', stdio: journal.command });
  });

  after(async () => {
    await cluster?.stop();
    await journal?.close();
  });

  it('goes to another node when its own is stopped under load: no call fails, none runs twice, no two processes run at a time', async (t) => {
    const clients = await Promise.all(Array.from({ length: 8 }, () => connect(t, cluster.mcpUrl)));
    const stop = new AbortController();
    const failures: string[] = [];
    const keys: string[] = [];
    const load = clients.map(async (client, index) => {
      for (let time = 0; !stop.signal.aborted; time++) {
        const key = `drain-${index}-${time}`;
        keys.push(key);
        try {
          const { status, message, text } = await client.callTool('p__work', { key });
          if (message?.result?.content?.[0]?.text !== key) failures.push(`${status} ${text}`);
        } catch (error) {
          failures.push(String(error));
        }
        await delay(20);
      }
    });
    const made = (calls: number) => {
      const goal = keys.length + calls;
      return until(() => keys.length >= goal, { what: `${calls} calls`, timeoutMs: 60_000 });
    };
    await made(24);
    for (let time = 0; time < 2; time++) {
      const owner = () => parentOf(journal.running.at(-1) ?? 0);
      const isOwner = (node: Gateway) => node.isRunning && node.process.pid === owner();
      const node = await until(() => cluster.nodes.find(isOwner), { what: 'the node of the process' });
      assert.equal(await cluster.restart(cluster.nodes.indexOf(node)), 0);
      await made(24);
    }
    stop.abort();
    await Promise.all(load);
    assert.deepEqual(failures, []);
    for (const key of keys) assert.equal(journal.runsOf(key).length, 1, key);
    assert.ok(journal.starts.length >= 3, `${journal.starts.length} starts`);
    assert.equal(journal.overlaps, 0);
  });
});
