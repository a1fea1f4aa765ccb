import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { turns, turnsUntil } from '../../test/support/fakes.ts';
import { Connection, SESSION, streamNodes } from '../../test/support/stream-nodes.ts';
import { logged } from '../../test/support/streams.ts';
import { virtualTimers } from '../../test/support/virtual-timers.ts';
import { STREAM_LOG_LIMITS } from '../coordination/stream-log.ts';
import { Code } from '../protocol/errors.ts';
import { parseEventId } from './event-id.ts';

async function started(t: TestContext, count: number, options?: { readonly key: undefined }) {
  const made = await streamNodes(count, options);
  t.after(made.close);
  const [{ coordination }] = made.nodes;
  return { ...made, logged: () => logged(coordination.streams, SESSION) };
}

const last = ({ events }: Connection) => events.at(-1)?.id;

test('what is sent by several nodes at the same time arrives once each, in the order of the log', async (t) => {
  const { nodes, logged } = await started(t, 3);
  const connection = new Connection();
  await nodes[1]!.connect(connection);
  for (let round = 0; round < 20; round++)
    for (const [index, { stream }] of nodes.entries()) stream.send(`${index}.${round}`);
  await turnsUntil(() => connection.events.length >= 60, 'all messages');
  await turns();
  assert.deepEqual(
    connection.data,
    (await logged()).map(({ data }) => data),
  );
  assert.deepEqual(
    connection.events.map(({ id }) => parseEventId(id ?? '')?.sequence),
    Array.from({ length: 60 }, (_, index) => index + 1),
  );
});

test('what nobody was connected for waits; a client without an id gets what nobody got', async (t) => {
  const { nodes } = await started(t, 2);
  const [a, b] = [nodes[0], nodes[1]!];
  a.stream.send('1');
  await turns();
  const first = new Connection();
  await a.connect(first);
  a.stream.detach(first);
  await turns();
  b.stream.send('2');
  await turns();
  const second = new Connection();
  await b.connect(second);
  assert.deepEqual([first.data, second.data], [['1'], ['2']]);
});

test('a client that is primed gets the id to come back with first', async (t) => {
  const { nodes } = await started(t, 1);
  nodes[0].stream.send('1');
  await turns();
  const connection = new Connection();
  await nodes[0].connect(connection, 'g_0', true);
  assert.deepEqual(connection.events, [
    { id: 'g_0', data: '' },
    { id: 'g_1', data: '1' },
  ]);
});

test('an id beyond the end does not make a client deaf', async (t) => {
  const { nodes } = await started(t, 1);
  const connection = new Connection();
  await nodes[0].connect(connection, 'g_999');
  nodes[0].stream.send('1');
  await turnsUntil(() => connection.events.length > 0, 'the message');
  assert.deepEqual(connection.data, ['1']);
});

test('of several connections on a node the newest is written to; when it goes, the one before', async (t) => {
  const { nodes } = await started(t, 1);
  const [{ stream }] = nodes;
  const [first, second] = [new Connection(), new Connection()];
  await nodes[0].connect(first);
  await nodes[0].connect(second);
  stream.send('1');
  await turns();
  stream.detach(second);
  stream.send('2');
  await turns();
  assert.deepEqual([first.data, second.data], [['2'], ['1']]);
  assert.equal(stream.count, 1);
});

test('a node whose client has gone elsewhere keeps the connection and writes no more to it', async (t) => {
  const { nodes } = await started(t, 2);
  const [a, b] = [nodes[0], nodes[1]!];
  const [old, current] = [new Connection(), new Connection()];
  await a.connect(old);
  await b.connect(current);
  await turns();
  assert.deepEqual([a.stream.isOpen, a.stream.isListening, a.stream.count, old.ended], [false, false, 1, 0]);
  a.stream.send('1');
  await turns();
  assert.deepEqual([old.data, current.data], [[], ['1']]);
  // It may go now: the stream is not this node's to leave.
  a.stream.detach(old);
  await turns();
  a.stream.send('2');
  await turns();
  assert.deepEqual(current.data, ['1', '2']);
});

test('a message from another node that got lost is read from the log when the next one comes, or after a gap', async (t) => {
  const { nodes } = await started(t, 2);
  const [a, b] = [nodes[0], nodes[1]!];
  const connection = new Connection();
  await a.connect(connection);
  a.log.condition = 'away';
  b.stream.send('1');
  await turns();
  a.log.condition = 'there';
  assert.deepEqual(connection.data, []);
  b.stream.send('2');
  await turns();
  assert.deepEqual(connection.data, ['1', '2']);
  a.log.condition = 'away';
  b.stream.send('3');
  await turns();
  a.heal();
  await turns();
  assert.deepEqual(connection.data, ['1', '2', '3']);
});

test('a message that could not be passed on is passed on later', async (t) => {
  const { nodes } = await started(t, 2);
  const [a, b] = [nodes[0], nodes[1]!];
  const connection = new Connection();
  await a.connect(connection);
  b.log.condition = 'deaf';
  b.stream.send('1');
  await turns();
  assert.deepEqual(connection.data, []);
  b.heal();
  await turns();
  assert.deepEqual(connection.data, ['1']);
});

test('a node that cannot be told that its client has moved finds out with its next event', async (t) => {
  const { nodes, server } = await started(t, 2);
  const [a, b] = [nodes[0], nodes[1]!];
  const [old, current] = [new Connection(), new Connection()];
  await a.connect(old);
  await turns();
  a.log.condition = 'away';
  await b.connect(current);
  await turns();
  assert.equal(a.stream.isListening, true);
  a.log.condition = 'there';
  server.say();
  await turns();
  assert.equal(a.stream.isListening, false);
  assert.deepEqual(old.data, []);
});

test('what a server says arrives once, wherever the client goes, and however late a node hears of it', async (t) => {
  const { nodes, server, logged } = await started(t, 2);
  const [a, b] = [nodes[0], nodes[1]!];
  const [first, second, third] = [new Connection(), new Connection(), new Connection()];
  await a.connect(first);
  await turns();
  server.say();
  await turns();
  // Both hear it: the one that holds the stream no longer before it is told so.
  const moving = b.connect(second, last(first));
  server.say();
  await moving;
  await turns();
  server.say();
  await turns();
  await a.connect(third, last(second));
  await turns();
  server.say();
  await turns();
  const all = [...first.data, ...second.data, ...third.data];
  assert.deepEqual(all, server.said);
  assert.deepEqual(
    (await logged()).map(({ data }) => data),
    server.said,
  );
});

test('a stream that moves before the server has said anything goes on from where the server began', async (t) => {
  const { nodes, server } = await started(t, 2);
  const [first, second] = [new Connection(), new Connection()];
  await nodes[0].connect(first);
  await turns();
  await nodes[0].crash();
  server.say();
  await nodes[1]!.connect(second);
  await turns();
  assert.deepEqual(second.data, ['said 1']);
});

test('disconnecting ends the connections; the stream goes on elsewhere', async (t) => {
  const { nodes } = await started(t, 2);
  const [a, b] = [nodes[0], nodes[1]!];
  const [first, second] = [new Connection(), new Connection()];
  await a.connect(first);
  a.stream.disconnect();
  assert.deepEqual([first.ended, a.stream.count], [1, 0]);
  await turns();
  a.stream.send('1');
  await turns();
  await b.connect(second);
  assert.deepEqual(second.data, ['1']);
});

for (const condition of ['away', 'deaf', 'late'] as const) {
  test(`while the log is ${condition} a client that is connected here hears everything, and once`, async (t) => {
    const { nodes, server, logged } = await started(t, 2);
    const [a, b] = [nodes[0], nodes[1]!];
    const connection = new Connection();
    await a.connect(connection);
    a.stream.send('1');
    await turns();
    a.log.condition = condition;
    a.stream.send('2');
    server.say();
    await turns();
    assert.deepEqual(connection.data, ['1', '2', 'said 1']);
    a.stream.send('3');
    b.stream.send('4');
    await turns();
    a.heal();
    await turns();
    await a.log.arrive();
    a.stream.send('5');
    await turns();
    assert.deepEqual(connection.data, ['1', '2', 'said 1', '3', '4', '5']);
    const kept = await logged();
    assert.deepEqual(new Set(kept.map(({ data }) => data)), new Set(connection.data));
    assert.equal(kept.length, 6);
    assert.equal(last(connection), 'g_6');
    // Whatever it has seen last, it gets the rest.
    for (const [index, { id }] of connection.events.entries()) {
      const again = new Connection();
      await b.connect(again, id);
      assert.deepEqual([...again.data].sort(), connection.data.slice(index + 1).sort(), id);
    }
  });
}

test('a client comes back to its node while the log is away, and gets what it has not seen', async (t) => {
  const { nodes } = await started(t, 1);
  const [{ stream, log }] = nodes;
  const [first, second, third] = [new Connection(), new Connection(), new Connection()];
  await nodes[0].connect(first);
  stream.send('1');
  await turns();
  log.condition = 'away';
  stream.send('2');
  await turns();
  stream.detach(first);
  stream.send('3');
  await nodes[0].connect(second, last(first), true);
  stream.send('4');
  assert.deepEqual(second.data, ['', '3', '4']);
  stream.detach(second);
  nodes[0].heal();
  await turns();
  stream.send('5');
  await turns();
  // One that has seen less than it was given.
  await nodes[0].connect(third, second.events[1]?.id);
  assert.deepEqual(third.data, ['4', '5']);
});

test('a client is told to come back later where only the log knows what it has not seen', async (t) => {
  const { nodes } = await started(t, 2);
  const [a, b] = [nodes[0], nodes[1]!];
  const [first, second] = [new Connection(), new Connection()];
  await a.connect(first);
  for (const text of ['1', '2']) a.stream.send(text);
  await turns();
  for (const node of nodes) node.log.condition = 'away';
  const rejects = (promise: Promise<void>) =>
    assert.rejects(promise, { code: Code.Unavailable, retryAfter: 1 });
  await rejects(a.connect(new Connection(), 'g_1'));
  await rejects(b.connect(new Connection(), 'g_2'));
  for (const node of nodes) node.heal();
  await b.connect(second, 'g_1');
  await turns();
  for (const node of nodes) node.log.condition = 'away';
  await rejects(a.connect(new Connection(), 'g_2'));
  assert.deepEqual([first.data, second.data], [['1', '2'], ['2']]);
});

test('a client that has gone elsewhere while the log was away for its node gets nothing twice', async (t) => {
  const timers = virtualTimers(t);
  const { nodes, server } = await started(t, 2);
  const [a, b] = [nodes[0], nodes[1]!];
  const [first, second, third] = [new Connection(), new Connection(), new Connection()];
  await a.connect(first);
  server.say();
  await turns();
  a.log.condition = 'away';
  a.stream.send('mine');
  server.say();
  await turns();
  assert.deepEqual(first.data, ['said 1', 'mine', 'said 2']);
  // The first node may be dead for all that anyone knows.
  await b.connect(second, last(first), true);
  timers.pass(1000);
  await turns();
  a.heal();
  await turns();
  server.say();
  await turns();
  assert.deepEqual(second.data, ['', 'said 3']);
  await a.connect(third, last(second));
  server.say();
  await turns();
  assert.deepEqual(third.data, ['said 4']);
});

test('an id that was tampered with says no more than its number', async (t) => {
  const { nodes } = await started(t, 2);
  const [a, b] = [nodes[0], nodes[1]!];
  const [first, second] = [new Connection(), new Connection()];
  await a.connect(first);
  a.log.condition = 'away';
  a.stream.send('1');
  a.stream.send('2');
  await turns();
  a.heal();
  await turns();
  const [one, two] = first.events.map(({ id }) => id!);
  assert.match(one!, /^g_0~[\w-]+$/);
  const swapped = `${two!.slice(0, -22)}${one!.slice(-22)}`;
  await b.connect(second, swapped);
  assert.deepEqual(second.data, ['1', '2']);
});

test('without a key, what is not logged waits until it is', async (t) => {
  const { nodes } = await started(t, 1, { key: undefined });
  const connection = new Connection();
  await nodes[0].connect(connection);
  nodes[0].log.condition = 'away';
  nodes[0].stream.send('1');
  await turns();
  assert.deepEqual(connection.data, []);
  nodes[0].heal();
  await turns();
  assert.deepEqual(connection.events, [{ id: 'g_1', data: '1' }]);
});

test('what is too large for the log goes to the client that is connected, and the rest goes on', async (t) => {
  const { nodes, server } = await started(t, 2);
  const [a, b] = [nodes[0], nodes[1]!];
  const connection = new Connection();
  const large = 'x'.repeat(STREAM_LOG_LIMITS.maxEventBytes + 1);
  await a.connect(connection);
  await turns();
  a.stream.send(large, { serverId: 'x', position: '0' });
  a.stream.send('2');
  b.stream.send(large);
  server.say();
  await turns();
  assert.deepEqual(connection.data, [large, '2', 'said 1']);
  assert.equal(last(connection), 'g_2');
  assert.equal(b.logger.lines.length, 1);
});

test('what is too much to be kept until the log is back falls out, the oldest first, and the log says so', async (t) => {
  const { nodes, logged } = await started(t, 1);
  const [{ stream, log, logger }] = nodes;
  log.condition = 'away';
  for (let n = 1; n <= STREAM_LOG_LIMITS.maxEvents + 5; n++) stream.send(String(n));
  await turns();
  nodes[0].heal();
  await turnsUntil(() => logger.lines.length > 1, 'the news');
  const kept = await logged();
  assert.deepEqual([kept[0]?.data, kept.length], ['6', STREAM_LOG_LIMITS.maxEvents]);
  assert.deepEqual(logger.lines.at(-1)?.fields, { events: 5 });
});

test('events of a session that is over are let go', async (t) => {
  const { nodes } = await started(t, 1);
  const [{ stream, log, coordination }] = nodes;
  log.condition = 'away';
  stream.send('1');
  await turns();
  await coordination.sessions.delete(SESSION);
  nodes[0].heal();
  await turns();
  stream.send('2');
  await stream.settled();
  await assert.rejects(nodes[0].connect(new Connection(), 'g_0'), { code: Code.SessionNotFound });
});

test('a client goes on after the store has lost that it was connected, and the end of the log', async (t) => {
  const { nodes, server } = await started(t, 1);
  const [{ stream, coordination }] = nodes;
  const connection = new Connection();
  await nodes[0].connect(connection);
  for (const text of ['1', '2', '3']) stream.send(text);
  await turns();
  // A replica that became the master, and had not heard of any of it.
  const { session } = (await coordination.sessions.peek(SESSION))!;
  await coordination.sessions.create(session, 'n0', 60_000);
  stream.send('4');
  await turns();
  server.say();
  await turns();
  assert.deepEqual(connection.data, ['1', '2', '3', '4', 'said 1']);
});

test('a flood reaches a client that is connected, however much of it the log keeps', async (t) => {
  const { nodes, logged } = await started(t, 2);
  const [a, b] = [nodes[0], nodes[1]!];
  const count = STREAM_LOG_LIMITS.maxEvents + 500;
  for (const [place, from] of [a, b].entries()) {
    const connection = new Connection();
    await a.connect(connection, `g_${place * count}`);
    for (let n = 1; n <= count; n++) from.stream.send(`${n}`);
    await from.stream.settled();
    await turnsUntil(() => connection.events.length >= count, 'all of it');
    await turns();
    assert.deepEqual(
      connection.data,
      Array.from({ length: count }, (_, index) => `${index + 1}`),
    );
    assert.equal((await logged()).at(-1)?.data, `${count}`);
    a.stream.detach(connection);
  }
});
