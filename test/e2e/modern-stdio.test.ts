import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it, type TestContext } from 'node:test';
import { Gateway } from '../support/gateway.ts';
import { countOf, inbox } from '../support/inbox.ts';
import { listNames } from '../support/lists.ts';
import { addMarked, connect, type MarkedServer, toolText, untilGone } from '../support/marked-server.ts';
import { ModernClient, type ModernOptions } from '../support/modern-client.ts';
import { isRunning } from '../support/processes.ts';
import type { RawClient } from '../support/raw-client.ts';
import { isRequest, request, textOf } from '../support/rpc.ts';
import { modernStdio } from '../support/stdio-commands.ts';
import { until } from '../support/wait.ts';

const PAGE = 'modern://page';
const UPDATED = 'notifications/resources/updated';
const ACCEPTED = { action: 'accept', content: { name: 'Ada' } };

interface State {
  readonly pid: number;
  readonly held: number;
  readonly cancelled: number;
  /** Filters of the subscriptions that are open. */
  readonly news: readonly Record<string, unknown>[];
  readonly faults: readonly string[];
}

describe('a process of the modern era', () => {
  let gateway: Gateway;
  let server: MarkedServer;
  let observer: ModernClient;

  before(async () => {
    gateway = await Gateway.start({ env: { DRAGON_CALL_TIMEOUT_MS: '20000' } });
    server = await addMarked(gateway, 'm', modernStdio());
    observer = new ModernClient(gateway.mcpUrl);
  });

  afterEach(async () => {
    assert.deepEqual((await state()).faults, []);
  });

  after(async () => {
    observer?.close();
    await gateway?.stop();
  });

  async function state(client: ModernClient | RawClient = observer): Promise<State> {
    const { message, text } = await client.callTool('m__state');
    assert.ok(message?.result, text);
    return message.result.structuredContent;
  }

  function modern(t: TestContext, options?: ModernOptions): ModernClient {
    const client = new ModernClient(gateway.mcpUrl, options);
    t.after(() => client.close());
    return client;
  }

  /** Waits until the server is listened to for news of resources so many times. */
  const untilWatched = (times: number) =>
    until(
      async () => (await state()).news.filter((each) => 'resourceSubscriptions' in each).length === times,
      { what: `${times} subscriptions`, timeoutMs: 30_000 },
    );

  it('is found to be one, and is one process for all clients of both eras, whatever they can do', async (t) => {
    const clients = await Promise.all([
      connect(t, gateway),
      connect(t, gateway, { capabilities: { elicitation: {} } }),
      connect(t, gateway, { capabilities: { sampling: {}, roots: {} } }),
    ]);
    for (const client of clients) assert.ok((await listNames(client)).includes('m__echo'));
    const others = [modern(t), modern(t, { capabilities: { elicitation: {} } })];
    const states = await Promise.all([...clients, ...others].map((client) => state(client)));
    assert.equal(new Set(states.map(({ pid }) => pid)).size, 1);
    await until(() => server.processes().length === 1, { what: 'one process' });
    await until(
      async () =>
        JSON.stringify(await gateway.manage('GetMcpServer', { server: { name: 'm' } })).includes(
          '"ERA_MODERN"',
        ),
      { what: 'its era to be written down' },
    );
  });

  it('answers each client its own, though all use the same ids', async (t) => {
    const clients = await Promise.all([connect(t, gateway), connect(t, gateway), modern(t), modern(t)]);
    const work = clients.map(async (client, index) => {
      const calls = Array.from({ length: 20 }, (_, time) =>
        client.callTool('m__echo', { text: `${index}.${time}` }, { id: time }),
      );
      for (const [time, { message }] of (await Promise.all(calls)).entries()) {
        assert.equal(message!.id, time);
        assert.equal(textOf(message!), `${index}.${time}`);
      }
    });
    await Promise.all(work);
  });

  it('reports progress to whoever called, by the token that this one gave', async (t) => {
    const params = { name: 'm__slow', arguments: {}, _meta: { progressToken: 'mine' } };
    const legacy = await connect(t, gateway);
    const answers = [
      await legacy.request('tools/call', params),
      await modern(t).callTool('m__slow', {}, { meta: { progressToken: 'mine' } }),
    ];
    for (const { messages } of answers) {
      assert.deepEqual(
        messages.map(({ params, result }) => params ?? result.content[0].text),
        [...[1, 2, 3].map((progress) => ({ progressToken: 'mine', progress })), '3 steps'],
      );
    }
  });

  it('logs to whoever asked for it', async (t) => {
    const legacy = await connect(t, gateway);
    await legacy.request('logging/setLevel', { level: 'info' });
    const answers = [
      await legacy.callTool('m__log', { text: 'said' }),
      await modern(t).callTool('m__log', { text: 'said' }, { logLevel: 'info' }),
    ];
    for (const { messages } of answers)
      assert.deepEqual(messages[0]?.params, { level: 'error', data: 'said' });
    const { messages } = await modern(t).callTool('m__log', { text: 'said' });
    assert.equal(messages.length, 1);
  });

  it('asks a modern client in its answer, which passes as it is, and is answered in a new request', async (t) => {
    const client = modern(t, { capabilities: { elicitation: {} } });
    const { result: asked } = (await client.callTool('m__ask')).message!;
    assert.equal(asked.resultType, 'input_required');
    assert.equal(asked.inputRequests.who.method, 'elicitation/create');
    const retry = { inputResponses: { who: ACCEPTED }, requestState: asked.requestState };
    const { message } = await client.request('tools/call', { name: 'm__ask', arguments: {}, ...retry });
    const got = { answers: retry.inputResponses, state: retry.requestState, id: 'number' };
    assert.deepEqual(JSON.parse(textOf(message!)), got);
  });

  it('asks a legacy client with a request', async (t) => {
    const client = await connect(t, gateway, { capabilities: { elicitation: {} } });
    const stream = await client.postStream(request('ask', 'tools/call', { name: 'm__ask' }));
    const question = await stream.next();
    assert.ok(question !== undefined && isRequest(question));
    assert.equal(question.method, 'elicitation/create');
    assert.equal((await client.respond(question.id, ACCEPTED)).status, 202);
    const answer = await stream.next();
    assert.equal(answer?.id, 'ask');
    const got = { answers: { who: ACCEPTED }, state: 'kept by the client', id: 'number' };
    assert.deepEqual(JSON.parse(textOf(answer!)), got);
  });

  it('is told when a call is cancelled', async (t) => {
    const { cancelled } = await state();
    const untilHeld = () => until(async () => (await state()).held === 1, { what: 'the call to run' });
    const legacy = await connect(t, gateway);
    const call = legacy.callTool('m__hold', {}, { id: 'held' });
    await untilHeld();
    await legacy.notify('notifications/cancelled', { requestId: 'held' });
    await call;
    await until(async () => (await state()).cancelled === cancelled + 1, { what: 'the cancellation' });

    const abort = new AbortController();
    const other = modern(t).callTool('m__hold', {}, { signal: abort.signal });
    await untilHeld();
    abort.abort();
    await assert.rejects(other);
    await until(async () => (await state()).cancelled === cancelled + 2, { what: 'the cancellation' });
  });

  it('tells clients of both eras that its list has changed', async (t) => {
    const legacy = await connect(t, gateway);
    const heard = inbox(await legacy.stream());
    const listener = modern(t);
    const news = inbox(
      await listener.open('subscriptions/listen', { notifications: { toolsListChanged: true } }),
    );
    await until(() => news.length === 1, { what: 'the acknowledgement' });
    await toolText(legacy, 'm__add_tool', { name: 'late' });
    const changed = 'notifications/tools/list_changed';
    await until(() => countOf(heard, changed) > 0 && countOf(news, changed) > 0, { what: 'the change' });
    assert.ok((await listNames(legacy)).includes('m__late'));
  });

  it('tells of a resource whoever asked, also after it was started anew, and nobody else', async (t) => {
    const legacy = await connect(t, gateway);
    const bystander = await connect(t, gateway);
    const [heard, others] = [inbox(await legacy.stream()), inbox(await bystander.stream())];
    assert.deepEqual((await legacy.request('resources/subscribe', { uri: PAGE })).message!.result, {});
    const listener = modern(t);
    const stream = await listener.open('subscriptions/listen', {
      notifications: { resourceSubscriptions: [PAGE] },
    });
    const news = inbox(stream);
    await until(() => news.length === 1, { what: 'the acknowledgement' });
    await untilWatched(2);
    const updates = () => [heard, news].map((messages) => countOf(messages, UPDATED));
    const told = async () => {
      // Whoever may have missed something is told to look, too.
      const before = updates();
      await toolText(bystander, 'm__touch', { uri: PAGE });
      await until(() => updates().every((count, at) => count > before[at]!), {
        what: 'an update for both',
        timeoutMs: 30_000,
      });
    };
    await told();
    assert.equal(heard.at(-1)!.params?.['uri'], PAGE);

    const { pid } = await state();
    const crash = await bystander.callTool('m__exit', { code: 7 });
    assert.match(crash.message!.error!.message, /^Server "m" exited with code 7\b/);
    // Nobody calls it: it is started anew for those who wait for its news.
    await until(() => server.processes().some((each) => each !== pid), {
      what: 'the next process',
      timeoutMs: 30_000,
    });
    await until(() => !isRunning(pid), { what: 'its end' });
    await untilWatched(2);
    await told();

    await toolText(bystander, 'm__end_news');
    await untilWatched(2);
    await told();
    assert.equal(countOf(others, UPDATED), 0);

    await legacy.request('resources/unsubscribe', { uri: PAGE });
    stream.close();
    await untilWatched(0);
  });

  it('runs again what is safe to run again, and fails the rest, when its process ends', async (t) => {
    const client = modern(t);
    const call = client.callTool('m__hold');
    await until(async () => (await state()).held === 1, { what: 'the call to run' });
    const { pid } = await state();
    process.kill(pid, 'SIGKILL');
    const { message } = await call;
    assert.match(message!.error!.message, /was ended by SIGKILL.*outcome of the call is unknown/);
    await until(() => !isRunning(pid), { what: 'the end of the process' });
    assert.notEqual((await state()).pid, pid);
  });

  it('is tried out in a process of its own, which ends', async () => {
    const before = server.processes().length;
    const report = await gateway.manage('TestMcpServer', { server: { name: 'm' } });
    const { era, protocolVersion } = report['success'] as Record<string, unknown>;
    assert.deepEqual([era, protocolVersion], ['ERA_MODERN', '2026-07-28']);
    await until(() => server.processes().length === before, { what: 'the end of the trial' });
  });

  it('ends with its record', async () => {
    const gone = await addMarked(gateway, 'gone', modernStdio());
    const { message } = await observer.callTool('gone__pid');
    assert.ok(gone.processes().includes(Number(textOf(message!))));
    await gateway.manage('DeleteMcpServer', { server: { name: 'gone' } });
    await untilGone(gone.processes);
  });
});

describe('a process of the modern era, when idle', () => {
  let gateway: Gateway;

  before(async () => {
    gateway = await Gateway.start({ env: { DRAGON_STDIO_IDLE_MS: '300' } });
  });
  after(() => gateway?.stop());

  it('stops, though its lists are watched, and is listened to again when it starts', async (t) => {
    const sleepy = await addMarked(gateway, 'sleepy', modernStdio());
    const client = await connect(t, gateway);
    const heard = inbox(await client.stream());
    const first = Number(await toolText(client, 'sleepy__pid'));
    await untilGone(sleepy.processes);
    assert.notEqual(Number(await toolText(client, 'sleepy__pid')), first);
    await toolText(client, 'sleepy__add_tool', { name: 'late' });
    await until(async () => (await listNames(client)).includes('sleepy__late'), { what: 'the new tool' });
    assert.ok(countOf(heard, 'notifications/tools/list_changed') > 0);
    await untilGone(sleepy.processes);
    assert.deepEqual(gateway.logged('downstream process ended'), [], 'rest is no failure');
  });

  it('stays while somebody waits for news of a resource', async (t) => {
    const news = await addMarked(gateway, 'news', modernStdio());
    const client = await connect(t, gateway);
    const heard = inbox(await client.stream());
    const alias = `dragon://${news.id}/${PAGE}`;
    const pid = Number(await toolText(client, 'news__pid'));
    await client.request('resources/subscribe', { uri: alias });
    const other = await addMarked(gateway, 'other', modernStdio());
    for (let time = 0; time < 2; time++) {
      await toolText(client, 'other__pid');
      await untilGone(other.processes);
    }
    assert.deepEqual(news.processes(), [pid]);
    await toolText(client, 'news__touch', { uri: PAGE });
    await until(() => countOf(heard, UPDATED) > 0, { what: 'the update' });
    await client.request('resources/unsubscribe', { uri: alias });
    await untilGone(news.processes);
  });
});
