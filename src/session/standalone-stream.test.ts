import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { turns, turnsUntil } from '../../test/support/fakes.ts';
import type { Coordination } from '../coordination/coordination.ts';
import { createMemoryCoordination, MemoryHub } from '../coordination/memory/index.ts';
import type { StreamLog } from '../coordination/stream-log.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { StreamWriter } from './client-stream.ts';
import { parseEventId } from './event-id.ts';
import { STREAM_EVENT, STREAM_MOVED, StandaloneStream } from './standalone-stream.ts';

const SESSION = 's1';

/** A connection that writes down what it is given, until it breaks. */
class Connection implements StreamWriter {
  readonly events: { readonly id: string | undefined; readonly data: string }[] = [];
  isBroken = false;
  ended = 0;

  write(data: string, id: string | undefined): boolean {
    if (!this.isBroken) this.events.push({ id, data });
    return true;
  }

  begin(): void {}

  part(): boolean {
    return true;
  }

  finish(): void {}

  end(): void {
    this.ended++;
  }
}

const dataOf = ({ events }: Connection) => events.map(({ data }) => data);

/** One session on some nodes, each with its own view of the stream, wired as the sessions of a gateway are. */
async function cluster(nodes: readonly string[]) {
  const hub = new MemoryHub();
  const parts = nodes.map((nodeId) => {
    const coordination = createMemoryCoordination({ nodeId, hub });
    const stream = new StandaloneStream({
      sessionId: SESSION,
      log: coordination.streams,
      bus: coordination.bus,
    });
    coordination.bus.on(STREAM_EVENT, ({ sequence, data }) => stream.receive(Number(sequence), String(data)));
    coordination.bus.on(STREAM_MOVED, () => stream.surrender());
    return { coordination, stream };
  });
  const [first] = parts;
  await first?.coordination.sessions.create(
    {
      id: SESSION,
      tenantId: 'default',
      userId: 'local',
      roles: [],
      protocolVersion: '2025-11-25',
      clientInfo: {},
      capabilities: {},
      createdAt: 0,
    },
    nodes[0] ?? '',
    3_600_000,
  );
  return {
    streams: parts.map(({ stream }) => stream),
    logs: parts.map(({ coordination }) => coordination.streams),
    close: () =>
      Promise.all(parts.map(({ coordination }: { coordination: Coordination }) => coordination.close())),
  };
}

async function started(t: TestContext, ...nodes: readonly string[]) {
  const made = await cluster(nodes);
  t.after(made.close);
  return made;
}

test('wherever a client connects and whoever sends, it sees everything once and in order', async () => {
  const node = fc.nat({ max: 2 });
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('send'), node }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('break'), node }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('close'), node }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('connect'), node }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('pause'), node }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const { streams, logs, close } = await cluster(['n0', 'n1', 'n2']);
      const seen: { readonly id: string | undefined; readonly data: string }[] = [];
      let open: { readonly connection: Connection; readonly at: StandaloneStream; taken: number } | undefined;
      const take = () => {
        if (open === undefined) return;
        seen.push(...open.connection.events.slice(open.taken));
        open.taken = open.connection.events.length;
      };
      const leave = () => {
        take();
        if (open !== undefined) open.at.detach(open.connection);
        open = undefined;
      };
      const connect = async (at: StandaloneStream | undefined) => {
        leave();
        const connection = new Connection();
        if (at === undefined) return;
        open = { connection, at, taken: 0 };
        await at.attach(connection, parseEventId(seen.at(-1)?.id ?? 'g_0')?.sequence, false);
      };
      let sent = 0;
      for (const { kind, node } of steps) {
        if (kind === 'send') {
          // From one node after the other: which of two that send at the same time comes first is for the log to say.
          streams[node]?.send(String(++sent));
          await turns();
        } else if (kind === 'connect') await connect(streams[node]);
        else if (kind === 'close') leave();
        else if (kind === 'pause') await turns();
        else if (open !== undefined) {
          take();
          open.connection.isBroken = true;
        }
      }
      await connect(streams[0]);
      await turns();
      leave();
      assert.deepEqual(
        seen.map(({ data }) => data),
        Array.from({ length: sent }, (_, index) => String(index + 1)),
      );
      assert.equal((await logs[0]?.read(SESSION, 0))?.length, sent);
      await close();
    }),
    { numRuns: 60 },
  );
});

test('what is sent by several nodes at the same time arrives once each, in the order of the log', async (t) => {
  const { streams, logs } = await started(t, 'n0', 'n1', 'n2');
  const connection = new Connection();
  await streams[1]?.attach(connection, undefined, false);
  for (let round = 0; round < 20; round++)
    for (const [index, stream] of streams.entries()) stream.send(`${index}.${round}`);
  await turnsUntil(() => connection.events.length >= 60, 'all messages');
  await turns();
  assert.deepEqual(
    dataOf(connection),
    (await logs[0]?.read(SESSION, 0))?.map(({ data }) => data),
  );
  assert.deepEqual(
    connection.events.map(({ id }) => parseEventId(id ?? '')?.sequence),
    Array.from({ length: 60 }, (_, index) => index + 1),
  );
});

test('what nobody was connected for waits; a client without an id gets what nobody got', async (t) => {
  const { streams } = await started(t, 'n0', 'n1');
  streams[0]?.send('1');
  await turns();
  const first = new Connection();
  await streams[0]?.attach(first, undefined, false);
  streams[0]?.detach(first);
  await turns();
  streams[1]?.send('2');
  await turns();
  const second = new Connection();
  await streams[1]?.attach(second, undefined, false);
  assert.deepEqual([dataOf(first), dataOf(second)], [['1'], ['2']]);
});

test('a client that is primed gets the id to come back with first', async (t) => {
  const { streams } = await started(t, 'n0');
  streams[0]?.send('1');
  await turns();
  const connection = new Connection();
  await streams[0]?.attach(connection, 0, true);
  assert.deepEqual(connection.events, [
    { id: 'g_0', data: '' },
    { id: 'g_1', data: '1' },
  ]);
});

test('an id beyond the end does not make a client deaf', async (t) => {
  const { streams } = await started(t, 'n0');
  const connection = new Connection();
  await streams[0]?.attach(connection, 999, false);
  streams[0]?.send('1');
  await turnsUntil(() => connection.events.length > 0, 'the message');
  assert.deepEqual(dataOf(connection), ['1']);
});

test('of several connections on a node the newest is written to; when it goes, the one before', async (t) => {
  const { streams } = await started(t, 'n0');
  const [stream] = streams;
  const [first, second] = [new Connection(), new Connection()];
  await stream?.attach(first, undefined, false);
  await stream?.attach(second, undefined, false);
  stream?.send('1');
  await turns();
  stream?.detach(second);
  stream?.send('2');
  await turns();
  assert.deepEqual([dataOf(first), dataOf(second)], [['2'], ['1']]);
  assert.equal(stream?.count, 1);
});

test('a node whose client has gone elsewhere keeps the connection and writes no more to it', async (t) => {
  const { streams } = await started(t, 'n0', 'n1');
  const [old, current] = [new Connection(), new Connection()];
  await streams[0]?.attach(old, undefined, false);
  await streams[1]?.attach(current, undefined, false);
  await turns();
  assert.deepEqual([streams[0]?.isOpen, streams[0]?.count, old.ended], [false, 1, 0]);
  streams[0]?.send('1');
  await turns();
  assert.deepEqual([dataOf(old), dataOf(current)], [[], ['1']]);
  // It may go now: the stream is not this node's to leave.
  streams[0]?.detach(old);
  await turns();
  streams[0]?.send('2');
  await turns();
  assert.deepEqual(dataOf(current), ['1', '2']);
});

/** A log that is away while the test says so. */
function fragile(log: StreamLog) {
  const state = { isAway: false };
  const guarded = async <T>(run: () => Promise<T>): Promise<T> => {
    if (state.isAway) throw new GatewayError(Code.Unavailable, 'away');
    return run();
  };
  const wrapped: StreamLog = {
    append: (...args) => guarded(() => log.append(...args)),
    take: (...args) => guarded(() => log.take(...args)),
    read: (...args) => guarded(() => log.read(...args)),
    delivered: (...args) => guarded(() => log.delivered(...args)),
    leave: (...args) => guarded(() => log.leave(...args)),
  };
  return { state, log: wrapped };
}

test('while the log is away a client that is connected here hears everything, and once', async (t) => {
  const { logs, close } = await cluster(['n0']);
  t.after(close);
  const { state, log } = fragile(logs[0]!);
  const { bus } = createMemoryCoordination({ nodeId: 'n0' });
  const stream = new StandaloneStream({ sessionId: SESSION, log, bus });
  const connection = new Connection();
  await stream.attach(connection, undefined, false);
  stream.send('1');
  await turns();
  state.isAway = true;
  stream.send('2');
  await turns();
  await assert.rejects(stream.attach(new Connection(), undefined, false), { code: Code.Unavailable });
  state.isAway = false;
  stream.send('3');
  await turns();
  stream.catchUp();
  await turns();
  assert.deepEqual(
    connection.events.map(({ id, data }) => [id, data]),
    [
      ['g_1', '1'],
      [undefined, '2'],
      ['g_2', '3'],
    ],
  );
  assert.equal(stream.count, 1);
});

test('a message from another node that got lost is read from the log when the next one comes, or after a gap', async (t) => {
  const { logs, close } = await cluster(['n0', 'n1']);
  t.after(close);
  const { bus } = createMemoryCoordination({ nodeId: 'n0' });
  const stream = new StandaloneStream({ sessionId: SESSION, log: logs[0]!, bus });
  const connection = new Connection();
  await stream.attach(connection, undefined, false);
  await logs[1]?.append(SESSION, '1');
  await logs[1]?.append(SESSION, '2');
  stream.receive(2, '2');
  await turns();
  assert.deepEqual(dataOf(connection), ['1', '2']);
  stream.receive(1, '1');
  await logs[1]?.append(SESSION, '3');
  stream.catchUp();
  await turns();
  assert.deepEqual(dataOf(connection), ['1', '2', '3']);
});

test('a node that cannot be told that its client has moved does not keep the client from connecting', async (t) => {
  const { streams, logs } = await started(t, 'n0', 'n1');
  await streams[0]?.attach(new Connection(), undefined, false);
  const { bus } = createMemoryCoordination({ nodeId: 'n1' });
  bus.send = async () => {
    throw new GatewayError(Code.Unavailable, 'away');
  };
  const stream = new StandaloneStream({ sessionId: SESSION, log: logs[1]!, bus });
  const connection = new Connection();
  await stream.attach(connection, undefined, false);
  assert.deepEqual([stream.isOpen, stream.count], [true, 1]);
});

test('a message that is in the log is not written beside it where its node cannot be told', async (t) => {
  const { streams, logs } = await started(t, 'n0', 'n1');
  const { bus } = createMemoryCoordination({ nodeId: 'n1' });
  bus.send = async () => {
    throw new GatewayError(Code.Unavailable, 'away');
  };
  const stream = new StandaloneStream({ sessionId: SESSION, log: logs[1]!, bus });
  const [old, current] = [new Connection(), new Connection()];
  await stream.attach(old, undefined, false);
  await streams[0]?.attach(current, undefined, false);
  stream.surrender();
  stream.send('1');
  await turns();
  streams[0]?.catchUp();
  await turns();
  assert.deepEqual([dataOf(old), dataOf(current)], [[], ['1']]);
});

test('disconnecting ends the connections; the stream goes on elsewhere', async (t) => {
  const { streams } = await started(t, 'n0', 'n1');
  const [first, second] = [new Connection(), new Connection()];
  await streams[0]?.attach(first, undefined, false);
  streams[0]?.disconnect();
  assert.deepEqual([first.ended, streams[0]?.count], [1, 0]);
  await turns();
  streams[0]?.send('1');
  await turns();
  await streams[1]?.attach(second, undefined, false);
  assert.deepEqual(dataOf(second), ['1']);
});
