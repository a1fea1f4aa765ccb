import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { type Cluster, clientAt, startCluster } from '../support/cluster.ts';
import { countOf, inbox } from '../support/inbox.ts';
import { ModernClient } from '../support/modern-client.ts';
import { parentOf } from '../support/processes.ts';
import { RawClient } from '../support/raw-client.ts';
import { isRequest, request, textOf } from '../support/rpc.ts';
import { modernStdio } from '../support/stdio-commands.ts';
import { until } from '../support/wait.ts';

const PAGE = 'modern://page';
const UPDATED = 'notifications/resources/updated';
const ACCEPTED = { action: 'accept', content: { name: 'Ada' } };
const PROGRESS = [1, 2, 3].map((progress) => ({ progressToken: 'mine', progress }));
const WAIT = { timeoutMs: 60_000 };

describe('a process of the modern era, in a cluster', () => {
  let cluster: Cluster;

  before(async () => {
    cluster = await startCluster({ nodes: 2 });
    await cluster.nodes[0]!.addServer({ name: 'm', stdio: modernStdio() });
  });
  after(() => cluster?.stop());

  function modernAt(t: TestContext, place: number, capabilities = {}): ModernClient {
    const client = new ModernClient(cluster.nodes[place]!.mcpUrl, { capabilities });
    t.after(() => client.close());
    return client;
  }

  async function legacyAt(t: TestContext, place: number): Promise<RawClient> {
    const client = new RawClient(cluster.nodes[place]!.mcpUrl, { capabilities: { elicitation: {} } });
    t.after(() => client.close());
    assert.equal((await client.initialize()).status, 200);
    return client;
  }

  async function stateOf(client: ModernClient | RawClient) {
    const { message, text } = await client.callTool('m__state');
    assert.ok(message?.result, text);
    return message.result.structuredContent;
  }

  /** Place of the node that runs the process. */
  async function ownerOf(client: ModernClient): Promise<number> {
    const parent = parentOf((await stateOf(client)).pid);
    return cluster.nodes.findIndex((node) => node.process.pid === parent);
  }

  it('is one, whichever node is called, and whatever the clients can do', async (t) => {
    const clients = [
      ...[0, 1].map((place) => modernAt(t, place)),
      ...[0, 1].map((place) => modernAt(t, place, { elicitation: {} })),
      ...(await Promise.all([0, 1].map((place) => legacyAt(t, place)))),
    ];
    const states = await Promise.all(clients.map(stateOf));
    assert.equal(new Set(states.map(({ pid }) => pid)).size, 1);
    assert.notEqual(await ownerOf(modernAt(t, 0)), -1);
  });

  it('reports progress through any node', async (t) => {
    for (const place of [0, 1]) {
      const params = { name: 'm__slow', arguments: {}, _meta: { progressToken: 'mine' } };
      const answers = [
        await modernAt(t, place).callTool('m__slow', {}, { meta: { progressToken: 'mine' } }),
        await (await legacyAt(t, place)).request('tools/call', params),
      ];
      for (const { messages } of answers) {
        assert.deepEqual(
          messages.map(({ params, result }) => params ?? result.content[0].text),
          [...PROGRESS, '3 steps'],
        );
      }
    }
  });

  it('asks in its answer, and is answered through another node', async (t) => {
    for (const place of [0, 1]) {
      const able = { elicitation: {} };
      const { result: asked } = (await modernAt(t, place, able).callTool('m__ask')).message!;
      assert.equal(asked.resultType, 'input_required');
      const { requestState } = asked;
      const retry = { name: 'm__ask', arguments: {}, inputResponses: { who: ACCEPTED }, requestState };
      const { message } = await modernAt(t, 1 - place, able).request('tools/call', retry);
      assert.deepEqual(JSON.parse(textOf(message!)).answers, { who: ACCEPTED });

      const client = await legacyAt(t, place);
      const stream = await client.postStream(request('ask', 'tools/call', { name: 'm__ask' }));
      const question = await stream.next();
      assert.ok(question !== undefined && isRequest(question));
      const elsewhere = clientAt(cluster.nodes[1 - place]!.mcpUrl, client);
      t.after(() => elsewhere.close());
      assert.equal((await elsewhere.respond(question.id, ACCEPTED)).status, 202);
      assert.deepEqual(JSON.parse(textOf((await stream.next())!)).answers, { who: ACCEPTED });
    }
  });

  it('is told of a cancellation, from any node', async (t) => {
    const observer = modernAt(t, 0);
    const untilHeld = () =>
      until(async () => (await stateOf(observer)).held === 1, { what: 'the call', ...WAIT });
    const untilCancelled = (times: number) =>
      until(async () => (await stateOf(observer)).cancelled === times, { what: 'the cancellation', ...WAIT });
    const { cancelled } = await stateOf(observer);
    for (const place of [0, 1]) {
      const abort = new AbortController();
      const call = modernAt(t, place).callTool('m__hold', {}, { signal: abort.signal });
      await untilHeld();
      abort.abort();
      await assert.rejects(call);
      await untilCancelled(cancelled + 1 + 2 * place);

      const client = await legacyAt(t, place);
      const held = client.callTool('m__hold', {}, { id: 'held' });
      await untilHeld();
      await client.notify('notifications/cancelled', { requestId: 'held' });
      await held;
      await untilCancelled(cancelled + 2 + 2 * place);
    }
    assert.deepEqual((await stateOf(observer)).faults, []);
  });

  it('is listened to wherever it runs: also when its node stops, or dies', async (t) => {
    for (const how of ['SIGTERM', 'SIGKILL'] as const) {
      const owner = await ownerOf(modernAt(t, 0));
      const place = 1 - owner;
      const client = modernAt(t, place);
      const legacy = await legacyAt(t, place);
      const heard = inbox(await legacy.stream());
      const asked = { notifications: { resourceSubscriptions: [PAGE] } };
      const news = inbox(await client.open('subscriptions/listen', asked));
      await legacy.request('resources/subscribe', { uri: PAGE });
      const updates = () => [heard, news].map((messages) => countOf(messages, UPDATED));
      const told = async () => {
        const before = updates();
        await until(
          async () => {
            // What is said before the next process is listened to is for nobody.
            const { message } = await client.callTool('m__touch', { uri: PAGE });
            return message?.result !== undefined && updates().every((count, at) => count > before[at]!);
          },
          { what: 'an update for both', ...WAIT },
        );
      };
      await told();
      const { pid } = await stateOf(client);
      await cluster.kill(owner, how);
      await until(async () => (await stateOf(client)).pid !== pid, { what: 'the next process', ...WAIT });
      assert.equal(await ownerOf(client), place);
      await told();
      await cluster.revive(owner);
    }
  });
});
