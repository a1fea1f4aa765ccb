import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { BusMessage } from '../../src/coordination/bus.ts';
import { MemoryHub } from '../../src/coordination/memory/index.ts';
import { ownNotification } from '../../src/downstream/call.ts';
import type { DownstreamServer } from '../../src/downstream/port.ts';
import { type Message, parseMessage, resultText } from '../../src/protocol/envelope.ts';
import { Code, GatewayError } from '../../src/protocol/errors.ts';
import { fakeServer, OWNER, RecordingSink, request } from '../support/fakes.ts';
import { Journal } from '../support/journal.ts';
import { type OpenedLink, ProcessNode } from '../support/process-node.ts';
import { isRunning } from '../support/processes.ts';
import { Random } from '../support/random.ts';
import { until } from '../support/wait.ts';

const DEADLINES = { idleMs: 60_000, totalMs: 60_000 };
const CANCELLED = new GatewayError(Code.Cancelled, 'Cancelled by the client');

/** Takes pieces of a large answer, and no more after each until told to. */
class SippingSink extends RecordingSink {
  bytes = 0;

  override data(chunk: Buffer): boolean {
    super.data(chunk);
    this.bytes += chunk.length;
    return false;
  }
}

/** Nodes of one hub, a server that is a process, and its journal. */
async function setUp(t: TestContext, ...ids: string[]) {
  const hub = new MemoryHub();
  const journal = await Journal.open();
  const server = fakeServer('journal', { target: { kind: 'stdio', env: {}, ...journal.command } });
  const servers: DownstreamServer[] = [server];
  const nodes = await Promise.all(ids.map((id) => new ProcessNode(hub, id, servers).start()));
  t.after(async () => {
    await Promise.all(nodes.map((node) => node.stop(0)));
    await until(() => journal.running.length === 0, { what: 'the end of all processes' });
    await journal.close();
  });
  const [a, b, c] = nodes as [ProcessNode, ProcessNode, ProcessNode];
  return { hub, journal, server, servers, nodes, a, b, c };
}

function send({ link }: OpenedLink, name: string, args: object = {}, sink = new RecordingSink()) {
  const params = { name, arguments: args, _meta: { progressToken: 'mine' } };
  const cancel = link.request(request('tools/call', params, 'same'), sink, DEADLINES);
  return { sink, cancel };
}

async function settled(sink: RecordingSink): Promise<RecordingSink> {
  await until(() => sink.answers.length + sink.failures.length > 0, {
    what: 'an answer or a failure',
    timeoutMs: 60_000,
  });
  return sink;
}

/** The text of the answer. Throws with the failure where there is one. */
async function call(link: OpenedLink, name: string, args: object = {}): Promise<string> {
  return textOf(await settled(send(link, name, args).sink));
}

function textOf(sink: RecordingSink): string {
  if (sink.failures[0] !== undefined) throw sink.failures[0];
  const { id, result } = sink.answered as { id: unknown; result: { content: [{ text: string }] } };
  assert.equal(id, 'same');
  return result.content[0].text;
}

async function stateOf(link: OpenedLink) {
  const { answered } = await settled(send(link, 'state').sink);
  return (answered.result as { structuredContent: Record<string, unknown> }).structuredContent;
}

async function untilHeld(link: OpenedLink, count = 1): Promise<void> {
  await until(async () => (await stateOf(link))['held'] === count, { what: 'the call to be run' });
}

describe('a server that is a process, used on several nodes', () => {
  it('runs once, and gives each session its own answers and progress', async (t) => {
    const { journal, server, nodes } = await setUp(t, 'a', 'b', 'c');
    const links = await Promise.all(
      nodes.flatMap((node) => ['x', 'y'].map((session) => node.open(server, { session: session + node.id }))),
    );
    const work = links.map(async (link, index) => {
      const { sink } = send(link, 'slow', { steps: index + 1, stepMs: 1 });
      const keys = Array.from({ length: 20 }, (_, time) => `${index}.${time}`);
      assert.deepEqual(await Promise.all(keys.map((key) => call(link, 'work', { key }))), keys);
      assert.equal(textOf(await settled(sink)), `${index + 1} steps`);
      assert.deepEqual(
        sink.messages.map((text) => JSON.parse(text).params.progress),
        Array.from({ length: index + 1 }, (_, step) => step + 1),
      );
      for (const key of keys) assert.equal(journal.runsOf(key).length, 1);
    });
    await Promise.all(work);
    assert.equal(journal.starts.length, 1);
  });

  it('is one for each set of what clients can do', async (t) => {
    const { journal, server, a, b } = await setUp(t, 'a', 'b');
    const able = { clientCapabilities: { elicitation: {} } };
    const links = await Promise.all([
      a.open(server),
      b.open(server),
      a.open(server, able),
      b.open(server, able),
    ]);
    const pids = await Promise.all(links.map((link) => call(link, 'pid')));
    assert.equal(pids[0], pids[1]);
    assert.equal(pids[2], pids[3]);
    assert.notEqual(pids[0], pids[2]);
    assert.equal(journal.starts.length, 2);
  });

  it('is answered from any node of the session that it asks, and by nobody else', async (t) => {
    const { server, a, b, c } = await setUp(t, 'a', 'b', 'c');
    await a.open(server);
    const asking = await b.open(server, { session: 's' });
    const answering = await c.open(server, { session: 's', resume: asking.link.portable! });
    const stranger = await c.open(server, { session: 'other' });
    const { sink } = send(asking, 'elicit');
    await until(() => sink.messages.length > 0, { what: 'the question' });
    const { id, method } = JSON.parse(sink.messages[0]!);
    assert.equal(method, 'elicitation/create');
    const answer = (action: string) => parseMessage(resultText(id, JSON.stringify({ action })), 9);
    stranger.link.send(answer('decline'));
    answering.link.send(answer('accept'));
    assert.deepEqual(JSON.parse(textOf(await settled(sink))), { action: 'accept' });
  });

  it('is told that a call is cancelled', async (t) => {
    const { server, a, b } = await setUp(t, 'a', 'b');
    const near = await a.open(server);
    const link = await b.open(server, { session: 's' });
    const { sink, cancel } = send(link, 'hold');
    await untilHeld(near);
    cancel(CANCELLED);
    assert.deepEqual(sink.failures, [CANCELLED]);
    await until(async () => (await stateOf(near))['cancelled'] === 1, { what: 'the cancellation' });
    assert.equal(await call(link, 'work', { key: 'on' }), 'on');
    assert.equal(sink.calls.length, 1);
  });

  it('says what it says outside any call once for each session', async (t) => {
    const { server, a, b, c } = await setUp(t, 'a', 'b', 'c');
    const own = await a.open(server);
    const elsewhere = await b.open(server, { session: 's' });
    const again = await c.open(server, { session: 's', resume: elsewhere.link.portable! });
    const other = await c.open(server, { session: 'other' });
    const said = (...links: OpenedLink[]) => links.flatMap(({ heard }) => heard.map(dataOf)).filter(Boolean);
    for (const data of ['one', 'two']) await call(elsewhere, 'say', { data });
    await until(() => said(other).length === 2 && said(own).length === 2, { what: 'the others to hear' });
    assert.deepEqual(said(elsewhere, again), ['one', 'two']);
    await elsewhere.link.close();
    await call(other, 'say', { data: 'three' });
    await until(() => said(again).includes('three'), { what: 'the node that is left to hear' });
  });

  it('sends large answers no faster than they are read', async (t) => {
    const { server, a, b } = await setUp(t, 'a', 'b');
    await a.open(server);
    const link = await b.open(server, { session: 's' });
    const bytes = 5_000_000;
    const sink = new SippingSink();
    send(link, 'big', { bytes }, sink);
    await until(() => sink.bytes > 0, { what: 'the beginning' });
    const other = await call(link, 'big', { bytes: 300_000 });
    assert.equal(other, 'x'.repeat(300_000));
    const { bytes: before } = sink;
    for (let turn = 0; turn < 20; turn++) await call(link, 'work', { key: `turn ${turn}` });
    assert.equal(sink.bytes, before, 'nothing comes while nobody reads');
    assert.ok(before < 1_000_000, `${before} bytes were sent ahead`);
    while (sink.answers.length === 0) {
      sink.drained?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(textOf(sink), 'x'.repeat(bytes));
  });

  it('tells of characters outside the basic plane whole, wherever a piece ends', async (t) => {
    const { server, a, b } = await setUp(t, 'a', 'b');
    await a.open(server);
    const link = await b.open(server, { session: 's' });
    for (const text of ['😀'.repeat(100_000), `x${'😀'.repeat(100_000)}`]) {
      assert.equal(await call(link, 'echo', { text }), text);
    }
  });

  it('is called once for each call, through a bus that confirms little', async (t) => {
    const { journal, server, a, b } = await setUp(t, 'a', 'b');
    await a.open(server);
    const links = await Promise.all([1, 2, 3].map((session) => b.open(server, { session: `s${session}` })));
    const random = new Random(7);
    for (const node of [a, b]) {
      node.fate = () =>
        random.choose({
          heard: 12,
          'heard, not confirmed': 1,
          'lost, not confirmed': 1,
          'nobody listens': 1,
        });
    }
    const calls = links.map(async (link, session) => {
      for (let time = 0; time < 12; time++) {
        const key = `${session}.${time}`;
        assert.equal(await call(link, 'work', { key }), key);
        assert.equal(journal.runsOf(key).length, 1, key);
      }
      assert.equal(await call(link, 'big', { bytes: 700_000 }), 'x'.repeat(700_000));
    });
    await Promise.all(calls);
    assert.equal(journal.starts.length, 1);
  });

  it('is refused where the record is another, or another owner’s, and to who is no member', async (t) => {
    const { hub, server, servers, a, b } = await setUp(t, 'a', 'b');
    await a.open(server);
    const stranger = { ...server, owner: { ...OWNER, tenantId: 'other' } };
    await assert.rejects(b.open(stranger), /changed or removed/);
    servers.length = 0;
    await assert.rejects(b.open(server), /changed or removed/);
    servers.push(server);
    const outsider = new ProcessNode(hub, 'outsider', servers);
    t.after(() => outsider.stop(0));
    let refused = false;
    const opening = outsider.open(server).catch(() => {
      refused = true;
    });
    await until(() => hub.leases.size > 0, { what: 'the lease' });
    await call(await b.open(server), 'work', { key: 'member' });
    assert.equal(refused, false);
    await outsider.stop(0);
    await opening;
    assert.ok(refused);
  });

  it('stops when its server is changed, everywhere', async (t) => {
    const { journal, server, servers, a, b } = await setUp(t, 'a', 'b');
    const links = [await a.open(server), await b.open(server, { session: 's' })];
    const held = links.map((link) => send(link, 'hold').sink);
    await untilHeld(links[0]!, 2);
    servers[0] = { ...server, revision: 2 };
    const next = await b.open(servers[0], { session: 's' });
    await Promise.all([a, b].map(({ connector }) => connector.drop(server.id)));
    for (const sink of held) assert.match((await settled(sink)).failures[0]!.message, /changed or removed/);
    await until(() => journal.running.length === 1, { what: 'the end of the old process' });
    assert.equal(await call(next, 'pid'), String(journal.running[0]));
  });
});

describe('when the node goes that runs a process', () => {
  it('another starts it; what was under way fails once, as unknown, and is not run again', async (t) => {
    const { journal, server, a, b, c } = await setUp(t, 'a', 'b', 'c');
    await a.open(server);
    const links = await Promise.all([b, c].map((node) => node.open(server, { session: `s${node.id}` })));
    links[0]!.link.listen();
    const watcher = await c.open(server);
    const lost = links.map((link, index) => send(link, 'wait', { key: `lost-${index}` }).sink);
    await untilHeld(links[1]!, 2);
    a.cut();
    process.kill(journal.running[0]!, 'SIGKILL');
    const key = 'after';
    assert.equal(await call(links[1]!, 'work', { key }), key);
    for (const sink of lost) {
      const { failures, answers } = await settled(sink);
      assert.deepEqual([failures.length, answers.length], [1, 0]);
      assert.equal(failures[0]!.code, Code.DownstreamUnavailable);
      assert.match(failures[0]!.message, /has gone; the outcome of the call is unknown/);
    }
    assert.equal(journal.starts.length, 2);
    assert.equal(journal.runsOf('lost-0').length, 1);
    assert.deepEqual(journal.runsOf(key), [journal.starts[1]]);
    await until(() => links[0]!.restarts() === 1 && watcher.restarts() >= 1, {
      what: 'those who listen to be told',
    });
    assert.ok(b.moved.includes(server.id) && c.moved.includes(server.id));
    assert.equal(await call(links[0]!, 'work', { key: 'too' }), 'too');
    assert.equal(links[1]!.restarts(), 1);
  });

  it('it ends its process when it is back and finds that another has it', async (t) => {
    const { journal, server, a, b } = await setUp(t, 'a', 'b');
    const near = await a.open(server, { session: 'near' });
    const far = await b.open(server, { session: 'far' });
    a.cut();
    assert.equal(await call(near, 'work', { key: 'alone' }), 'alone', 'its own sessions go on');
    assert.equal(await call(far, 'work', { key: 'far' }), 'far');
    const [first, second] = journal.starts;
    assert.deepEqual([journal.runsOf('alone'), journal.runsOf('far')], [[first], [second]]);
    const held = send(near, 'hold').sink;
    a.mend();
    assert.match((await settled(held)).failures[0]!.message, /outcome of the call is unknown/);
    await until(() => !isRunning(first!), { what: 'the end of the first process' });
    assert.equal(await call(near, 'pid'), String(second));
    assert.equal(near.restarts(), 1);
    assert.equal(a.logger.lines.filter(({ level }) => level === 'warn').length, 1);
  });

  it('it keeps its process through an outage in which nobody took it', async (t) => {
    const { journal, server, nodes, a, b } = await setUp(t, 'a', 'b');
    const near = await a.open(server, { session: 'near' });
    const far = await b.open(server, { session: 'far' });
    for (const node of nodes) node.cut();
    const { failures } = await settled(send(far, 'work', { key: 'away' }).sink);
    assert.equal(failures[0]!.code, Code.Unavailable);
    assert.equal(failures[0]!.retryAfter, 1);
    assert.equal(await call(near, 'work', { key: 'near' }), 'near');
    await assert.rejects(b.open(fakeServer('new', { target: server.target })), { code: Code.Unavailable });
    for (const node of nodes) node.mend();
    assert.equal(await call(far, 'work', { key: 'back' }), 'back');
    assert.equal(journal.starts.length, 1);
    assert.equal(journal.runsOf('away').length, 0);
  });

  it('a call that was answered while messages were lost fails as unknown', async (t) => {
    const { hub, journal, server, a, b } = await setUp(t, 'a', 'b');
    const near = await a.open(server);
    const far = await b.open(server, { session: 's' });
    const { sink } = send(far, 'wait', { key: 'k' });
    await untilHeld(near);
    const receive = hub.receivers.get('b')!;
    let lost = 0;
    hub.receivers.set('b', (json, from) => {
      if ((JSON.parse(json) as BusMessage).kind === 'link.answer') lost++;
      else receive(json, from);
    });
    await call(near, 'release');
    await until(() => lost > 0, { what: 'the answer to be lost' });
    hub.receivers.set('b', receive);
    b.cut();
    b.mend();
    assert.match((await settled(sink)).failures[0]!.message, /unknown/);
    assert.equal(journal.runsOf('k').length, 1);
    assert.equal(await call(far, 'work', { key: 'on' }), 'on');
  });
});

describe('when a node stops that runs a process', () => {
  it('its calls end, others wait, and no two processes run at a time', async (t) => {
    const { journal, server, a, b, c } = await setUp(t, 'a', 'b', 'c');
    const near = await a.open(server, { session: 'near' });
    const far = await b.open(server, { session: 'far' });
    const running = [near, far].map((link) => send(link, 'hold').sink);
    const asking = send(far, 'elicit').sink;
    await untilHeld(near, 2);
    await until(() => asking.messages.length > 0, { what: 'the question' });
    const stopped = a.stop();
    const answering = await c.open(server, { session: 'far', resume: far.link.portable! });
    const late = [near, far, answering].map(
      (link, index) => send(link, 'work', { key: `late-${index}` }).sink,
    );
    const { id } = JSON.parse(asking.messages[0]!);
    answering.link.send(parseMessage(resultText(id, '{"action":"accept"}'), 9));
    assert.match(textOf(await settled(asking)), /accept/);
    assert.equal(journal.starts.length, 1);
    assert.ok(late.every(({ calls }) => calls.length === 0));
    far.link.send(ownNotification('notifications/roots/list_changed'));
    send(far, 'work', { key: 'never' }).cancel(CANCELLED);
    process.kill(journal.starts[0]!, 'SIGUSR2');
    for (const sink of running) assert.equal(textOf(await settled(sink)), 'released');
    for (const [index, sink] of late.slice(1).entries()) {
      assert.equal(textOf(await settled(sink)), `late-${index + 1}`);
      assert.deepEqual(journal.runsOf(`late-${index + 1}`), [journal.starts[1]]);
    }
    await stopped;
    assert.equal(journal.starts.length, 2);
    assert.equal(journal.overlaps, 0);
    assert.equal(journal.runsOf('never').length, 0);
  });
});

describe('when the node goes that uses a process', () => {
  it('its calls are cancelled, and what its sessions had is let go of', async (t) => {
    const { journal, server, a, b } = await setUp(t, 'a', 'b');
    const near = await a.open(server, { session: 'near' });
    const far = await b.open(server, { session: 'far' });
    const subscribe = request('resources/subscribe', { uri: 'journal://page' });
    await settled(sendRequest(far, subscribe));
    send(far, 'hold');
    await untilHeld(near);
    assert.deepEqual((await stateOf(near))['subscriptions'], ['journal://page']);
    b.cut();
    await until(
      async () => {
        const { held, cancelled, subscriptions } = await stateOf(near);
        return held === 0 && cancelled === 1 && (subscriptions as string[]).length === 0;
      },
      { what: 'the end of what the node had', timeoutMs: 30_000 },
    );
    b.mend();
    assert.equal(await call(far, 'work', { key: 'back' }), 'back');
    assert.equal(far.restarts(), 1, 'its subscription has to be made again');
    assert.equal(journal.starts.length, 1);
  });
});

function sendRequest({ link }: OpenedLink, message: ReturnType<typeof request>): RecordingSink {
  const sink = new RecordingSink();
  link.request(message, sink, DEADLINES);
  return sink;
}

function dataOf(message: Message): unknown {
  if (message.kind !== 'notification' || message.method !== 'notifications/message') return undefined;
  return message.params?.['data'];
}
