import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { STREAM_LOG_LIMITS } from '../../src/coordination/stream-log.ts';
import { Code, GatewayError } from '../../src/protocol/errors.ts';
import { LONG_MS, makeSession, uniqueId } from '../support/coordination.ts';
import { append, logged, Producer, plain, take } from '../support/streams.ts';
import { until } from '../support/wait.ts';
import type { MakeNode } from './coordination-contract.ts';

export function streamContract(makeNode: MakeNode): void {
  describe('streams', () => {
    test('events have sequences from 1 on, and nobody may hold the connection', async () => {
      const { streams, id } = await start(makeNode);
      const nobody = { outcome: 'appended', holder: undefined, takes: 0, isTaker: false };
      assert.deepEqual(await append(streams, id, 'one'), { ...nobody, sequence: 1 });
      assert.deepEqual(await append(streams, id, ''), { ...nobody, sequence: 2 });
      assert.deepEqual(await append(streams, id, 'drei €😀'), { ...nobody, sequence: 3 });
      assert.deepEqual(await logged(streams, id), events('one', '', 'drei €😀'));
      assert.deepEqual(await logged(streams, id, 2), events('one', '', 'drei €😀').slice(2));
      assert.deepEqual(await logged(streams, id, 99), []);
    });

    test('an event has the stamp that it came with', async () => {
      const { streams, id } = await start(makeNode);
      const [a, b] = [new Producer(streams, id), new Producer(streams, id)];
      await a.append('1');
      await b.append('2');
      await a.append('3');
      const { events: read, last } = await streams.read(id, a.name, 0);
      assert.deepEqual(
        read.map(({ stamp }) => stamp),
        [
          { producer: a.name, count: 1 },
          { producer: b.name, count: 1 },
          { producer: a.name, count: 2 },
        ],
      );
      assert.equal(last, 3);
    });

    test('an event is appended once, however often it is tried, and however late', async () => {
      const { streams, id } = await start(makeNode);
      const producer = new Producer(streams, id);
      await producer.append('1');
      assert.equal((await producer.append('2')).outcome, 'appended');
      for (const count of [2, 1, 2]) {
        const again = await producer.again(count, String(count));
        assert.deepEqual([again.outcome, again.sequence], ['known', 2]);
      }
      // Some may be missing: those that were too many to be kept until the store was back.
      assert.equal((await producer.again(7, '7')).outcome, 'appended');
      assert.deepEqual(await logged(streams, id), events('1', '2', '7'));
    });

    test('a new connection gets what no connection was given', async () => {
      const { node, streams, id } = await start(makeNode);
      for (const data of ['a', 'b', 'c']) await append(streams, id, data);
      const taken = await take(node, id);
      assert.deepEqual(plain(taken.events), events('a', 'b', 'c'));
      const { delivered, last, previous, origins, isContinued } = taken;
      assert.deepEqual([delivered, last, previous, origins, isContinued], [0, 3, undefined, {}, false]);
      await streams.delivered(id, 2);
      const again = await take(node, id);
      assert.deepEqual(plain(again.events), [{ sequence: 3, data: 'c' }]);
      assert.equal(again.delivered, 2);
    });

    test('a connection that comes back gets what it says it has not seen', async () => {
      const { node, streams, id } = await start(makeNode);
      for (const data of ['a', 'b', 'c']) await append(streams, id, data);
      await streams.delivered(id, 3);
      const taken = await take(node, id, 1);
      assert.deepEqual(plain(taken.events), events('a', 'b', 'c').slice(1));
      assert.equal(taken.delivered, 1);
      assert.deepEqual(plain((await take(node, id, 0)).events), events('a', 'b', 'c'));
      assert.deepEqual((await take(node, id, 99)).delivered, 3);
    });

    test('what was delivered only grows, and no further than there are events', async () => {
      const { node, streams, id } = await start(makeNode);
      await streams.delivered(id, 5);
      for (const data of ['a', 'b']) await append(streams, id, data);
      assert.equal((await take(node, id)).delivered, 0);
      await streams.delivered(id, 2);
      await streams.delivered(id, 1);
      await streams.delivered(id, 7);
      assert.equal((await take(node, id)).delivered, 2);
      await append(streams, id, 'c');
      assert.deepEqual(plain((await take(node, id)).events), [{ sequence: 3, data: 'c' }]);
    });

    test('the holder is told to those who append, and replaced by the next', async () => {
      const { node, streams, id, nodeId } = await start(makeNode);
      const other = await makeNode(uniqueId('b'));
      assert.equal((await take(node, id)).previous, undefined);
      const mine = await take(node, id);
      assert.equal(mine.previous, undefined);
      assert.equal((await append(other.streams, id, 'x')).holder, nodeId);
      const yours = await take(other, id);
      assert.equal(yours.previous, nodeId);
      assert.ok(yours.takes > mine.takes);
      await streams.leave(id, mine.takes);
      assert.equal((await append(streams, id, 'x')).holder, other.nodeId);
      await other.streams.leave(id, yours.takes);
      assert.equal((await append(streams, id, 'x')).holder, undefined);
      // Whoever had it last may still listen to servers.
      assert.equal((await take(node, id)).previous, other.nodeId);
    });

    test('a stream is not taken by who does not know that it was taken meanwhile', async () => {
      const { streams, id, nodeId } = await start(makeNode);
      const [a, b] = [new Producer(streams, id), new Producer(streams, id)];
      const { takes: first } = await a.take(nodeId);
      const late = { nodeId: 'c', producer: a.name, takes: first };
      const { takes } = await b.take(nodeId);
      assert.deepEqual(await streams.take(id, late, undefined), { isTaken: false, isTaker: false, takes });
      const own = { nodeId, producer: b.name, takes: 0 };
      assert.deepEqual(await streams.take(id, own, undefined), { isTaken: false, isTaker: true, takes });
      const { holder, isTaker } = await b.append('x');
      assert.deepEqual([holder, isTaker], [nodeId, true]);
      assert.equal((await streams.read(id, a.name, 0)).isTaker, false);
      await streams.leave(id, first);
      assert.equal((await b.append('y')).holder, nodeId);
    });

    test('who takes it again has had it all the while', async () => {
      const { streams, id, nodeId } = await start(makeNode);
      const [a, b] = [new Producer(streams, id), new Producer(streams, id)];
      const { takes } = await a.take(nodeId);
      await streams.leave(id, takes);
      assert.equal((await a.take(nodeId)).isContinued, true);
      await b.take(nodeId);
      assert.equal((await a.take(nodeId)).isContinued, false);
    });

    test('the last origin of each server is kept with the event, or without one', async () => {
      const { streams, id, nodeId } = await start(makeNode);
      const producer = new Producer(streams, id);
      await producer.append('a', { serverId: 'files', position: 'f1' });
      await producer.append('b', { serverId: '__proto__', position: '' });
      await producer.append('c', { serverId: 'files', position: 'f2' });
      await producer.append('d');
      const noted = await producer.append(undefined, { serverId: 'mail', position: 'm0' });
      assert.deepEqual([noted.outcome, noted.sequence], ['appended', 4]);
      const { origins } = await producer.take(nodeId);
      assert.deepEqual(Object.entries(origins).sort(), [
        ['__proto__', ''],
        ['files', 'f2'],
        ['mail', 'm0'],
      ]);
      assert.equal((await logged(streams, id)).length, 4);
    });

    test('what comes from a server is for the last taker to append, and what does not for everyone', async () => {
      const { streams, id, nodeId } = await start(makeNode);
      const [a, b] = [new Producer(streams, id), new Producer(streams, id)];
      const from = (position: string) => ({ serverId: 'files', position });
      await a.take(nodeId);
      assert.equal((await a.append('1', from('f1'))).outcome, 'appended');
      const { takes } = await b.take(nodeId);
      const late = await a.append('2', from('f2'));
      assert.deepEqual([late.outcome, late.isTaker, late.takes], ['refused', false, takes]);
      assert.equal((await a.append(undefined, from('f2'))).outcome, 'refused');
      assert.equal((await a.append('mine')).outcome, 'appended');
      // Also when nobody holds the connection: the last taker listens until another one takes it.
      await streams.leave(id, takes);
      assert.equal((await a.append('2', from('f2'))).outcome, 'refused');
      assert.equal((await b.append('2', from('f2'))).outcome, 'appended');
      // An attempt from before comes too late for good.
      await a.take(nodeId);
      assert.equal((await a.again(2, '2', from('f2'))).outcome, 'known');
      assert.deepEqual((await a.take(nodeId)).origins, { files: 'f2' });
      assert.deepEqual(await logged(streams, id), events('1', 'mine', '2'));
    });

    test('what a client has beside the log is not logged when it comes late, and its servers are heard from there', async () => {
      const { streams, id, nodeId } = await start(makeNode);
      const [a, b] = [new Producer(streams, id), new Producer(streams, id)];
      const from = (position: string) => ({ serverId: 'files', position });
      await a.take(nodeId);
      await a.append('1', from('f1'));
      const { takes } = await streams.read(id, a.name, 0);
      const beside = { producer: a.name, count: 3, origins: { files: 'f3' } };
      const by = { nodeId, producer: b.name, takes };
      const taken = await streams.take(id, by, { sequence: 1, beside });
      assert.ok(taken.isTaken);
      assert.deepEqual(taken.origins, { files: 'f3' });
      assert.equal((await a.again(3, '3')).outcome, 'known');
      assert.equal((await a.again(4, '4')).outcome, 'appended');
      assert.deepEqual(await logged(streams, id), events('1', '4'));
    });

    test('where it has been logged, what is stored counts, and not what the client says', async () => {
      const { streams, id, nodeId } = await start(makeNode);
      const [a, b, c] = [new Producer(streams, id), new Producer(streams, id), new Producer(streams, id)];
      const from = (position: string) => ({ serverId: 'files', position });
      const takeWith = async ({ name }: Producer, count: number) => {
        const { takes } = await streams.read(id, name, 0);
        const beside = { producer: a.name, count, origins: { files: `f${count}` } };
        const taken = await streams.take(id, { nodeId, producer: name, takes }, { sequence: 0, beside });
        assert.ok(taken.isTaken);
        return taken.origins;
      };
      await a.take(nodeId);
      for (const n of [1, 2, 3]) await a.append(String(n), from(`f${n}`));
      assert.deepEqual(await takeWith(b, 2), { files: 'f3' });
      // Nor where another one has listened since.
      await b.append('4', from('f4'));
      assert.deepEqual(await takeWith(c, 5), { files: 'f4' });
    });

    test('appends of several nodes at once have one order without gaps', async () => {
      const { streams, id } = await start(makeNode);
      const other = await makeNode(uniqueId('b'));
      const names = Array.from({ length: 60 }, (_, i) => `event ${i}`);
      const appended = await Promise.all(
        names.map((data, i) => append(i % 2 === 0 ? streams : other.streams, id, data)),
      );
      const sequences = appended.map(({ sequence }) => sequence);
      assert.deepEqual(
        sequences.toSorted((a, b) => a - b),
        names.map((_, i) => i + 1),
      );
      for (const event of await logged(other.streams, id)) {
        assert.equal(sequences[names.indexOf(event.data)], event.sequence);
      }
    });

    test('the oldest events go when there are too many', async () => {
      const { node, streams, id } = await start(makeNode, { maxEvents: 3 });
      for (let i = 1; i <= 10; i++) await append(streams, id, `event ${i}`);
      const kept = (await logged(streams, id)).map(({ sequence }) => sequence);
      assert.deepEqual(kept, [8, 9, 10]);
      const { events: left, delivered } = await take(node, id, 2);
      assert.deepEqual([left[0]?.sequence, delivered], [8, 2]);
    });

    test('the oldest events go when they are too large together', async () => {
      const { streams, id } = await start(makeNode, { maxBytes: 100 });
      for (let i = 0; i < 5; i++) await append(streams, id, '€'.repeat(10));
      assert.deepEqual(
        (await logged(streams, id)).map(({ sequence }) => sequence),
        [3, 4, 5],
      );
      await append(streams, id, 'x'.repeat(100));
      assert.deepEqual(
        (await logged(streams, id)).map(({ sequence }) => sequence),
        [6],
      );
      // What is freed counts no more.
      for (let i = 0; i < 3; i++) await append(streams, id, 'y'.repeat(30));
      assert.deepEqual(
        (await logged(streams, id)).map(({ sequence }) => sequence),
        [7, 8, 9],
      );
    });

    test('the newest event stays, however large the others were', async () => {
      const { streams, id } = await start(makeNode, { maxBytes: 10 });
      await append(streams, id, 'small');
      await append(streams, id, 'larger than all that is kept');
      assert.deepEqual(
        (await logged(streams, id)).map(({ sequence }) => sequence),
        [2],
      );
    });

    test('an event that is too large is refused and takes no sequence', async () => {
      const { streams, id } = await start(makeNode, { maxEventBytes: 30 });
      await assert.rejects(
        append(streams, id, '€'.repeat(11)),
        (error) => error instanceof GatewayError && error.code === Code.TooLarge,
      );
      assert.equal((await append(streams, id, '€'.repeat(10))).sequence, 1);
    });

    test('events go with their age; sequences go on', async () => {
      const { node, streams, id } = await start(makeNode, { maxAgeMs: 1000, maxBytes: 10 });
      await append(streams, id, '123456');
      await until(async () => (await logged(streams, id)).length === 0, { what: 'events to go' });
      assert.deepEqual((await take(node, id)).events, []);
      assert.equal((await append(streams, id, '12345')).sequence, 2);
      await append(streams, id, '12345');
      // The size of those that are gone does not count.
      assert.deepEqual(
        (await logged(streams, id)).map(({ sequence }) => sequence),
        [2, 3],
      );
    });
  });

  async function start(make: MakeNode, limits: Partial<typeof STREAM_LOG_LIMITS> = {}) {
    const node = await make(uniqueId('a'), { ...STREAM_LOG_LIMITS, ...limits });
    const session = makeSession();
    await node.sessions.create(session, node.nodeId, LONG_MS);
    return { node, streams: node.streams, nodeId: node.nodeId, id: session.id };
  }
}

function events(...data: string[]) {
  return data.map((text, i) => ({ sequence: i + 1, data: text }));
}
