import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { STREAM_LOG_LIMITS } from '../../src/coordination/stream-log.ts';
import { Code, GatewayError } from '../../src/protocol/errors.ts';
import { LONG_MS, makeSession, uniqueId } from '../support/coordination.ts';
import { until } from '../support/wait.ts';
import type { MakeNode } from './coordination-contract.ts';

export function streamContract(makeNode: MakeNode): void {
  describe('streams', () => {
    test('events have sequences from 1 on, and nobody may hold the connection', async () => {
      const { streams, id } = await start(makeNode);
      assert.deepEqual(await streams.append(id, 'one'), { sequence: 1, holder: undefined });
      assert.deepEqual(await streams.append(id, ''), { sequence: 2, holder: undefined });
      assert.deepEqual(await streams.append(id, 'drei €😀'), { sequence: 3, holder: undefined });
      assert.deepEqual(await streams.read(id, 0), events('one', '', 'drei €😀'));
      assert.deepEqual(await streams.read(id, 2), events('one', '', 'drei €😀').slice(2));
      assert.deepEqual(await streams.read(id, 99), []);
    });

    test('a new connection gets what no connection was given', async () => {
      const { streams, id, nodeId } = await start(makeNode);
      for (const data of ['a', 'b', 'c']) await streams.append(id, data);
      const taken = await streams.take(id, nodeId, undefined);
      assert.deepEqual(taken, {
        events: events('a', 'b', 'c'),
        delivered: 0,
        previous: undefined,
        origins: {},
      });
      await streams.delivered(id, 2);
      const again = await streams.take(id, nodeId, undefined);
      assert.deepEqual(again.events, [{ sequence: 3, data: 'c' }]);
      assert.equal(again.delivered, 2);
    });

    test('a connection that comes back gets what it says it has not seen', async () => {
      const { streams, id, nodeId } = await start(makeNode);
      for (const data of ['a', 'b', 'c']) await streams.append(id, data);
      await streams.delivered(id, 3);
      const taken = await streams.take(id, nodeId, 1);
      assert.deepEqual(taken.events, events('a', 'b', 'c').slice(1));
      assert.equal(taken.delivered, 1);
      assert.deepEqual((await streams.take(id, nodeId, 0)).events, events('a', 'b', 'c'));
    });

    test('what was delivered only grows, and no further than there are events', async () => {
      const { streams, id, nodeId } = await start(makeNode);
      await streams.delivered(id, 5);
      for (const data of ['a', 'b']) await streams.append(id, data);
      assert.equal((await streams.take(id, nodeId, undefined)).delivered, 0);
      await streams.delivered(id, 2);
      await streams.delivered(id, 1);
      await streams.delivered(id, 7);
      assert.equal((await streams.take(id, nodeId, undefined)).delivered, 2);
      await streams.append(id, 'c');
      assert.deepEqual((await streams.take(id, nodeId, undefined)).events, [{ sequence: 3, data: 'c' }]);
    });

    test('the holder is told to those who append, and replaced by the next', async () => {
      const { streams, id, nodeId } = await start(makeNode);
      const other = await makeNode(uniqueId('b'));
      assert.equal((await streams.take(id, nodeId, undefined)).previous, undefined);
      assert.equal((await streams.take(id, nodeId, undefined)).previous, undefined);
      assert.equal((await other.streams.append(id, 'x')).holder, nodeId);
      assert.equal((await other.streams.take(id, other.nodeId, undefined)).previous, nodeId);
      await streams.leave(id, nodeId);
      assert.equal((await streams.append(id, 'x')).holder, other.nodeId);
      await other.streams.leave(id, other.nodeId);
      assert.equal((await streams.append(id, 'x')).holder, undefined);
      assert.equal((await streams.take(id, nodeId, undefined)).previous, undefined);
    });

    test('the last origin of each server is kept with the event', async () => {
      const { streams, id, nodeId } = await start(makeNode);
      await streams.append(id, 'a', { serverId: 'files', eventId: 'f1' });
      await streams.append(id, 'b', { serverId: '__proto__', eventId: '' });
      await streams.append(id, 'c', { serverId: 'files', eventId: 'f2' });
      await streams.append(id, 'd');
      const { origins } = await streams.take(id, nodeId, undefined);
      assert.deepEqual(Object.entries(origins).sort(), [
        ['__proto__', ''],
        ['files', 'f2'],
      ]);
    });

    test('appends of several nodes at once have one order without gaps', async () => {
      const { streams, id } = await start(makeNode);
      const other = await makeNode(uniqueId('b'));
      const names = Array.from({ length: 60 }, (_, i) => `event ${i}`);
      const appended = await Promise.all(
        names.map((data, i) => (i % 2 === 0 ? streams : other.streams).append(id, data)),
      );
      const sequences = appended.map(({ sequence }) => sequence);
      assert.deepEqual(
        sequences.toSorted((a, b) => a - b),
        names.map((_, i) => i + 1),
      );
      for (const event of await other.streams.read(id, 0)) {
        assert.equal(sequences[names.indexOf(event.data)], event.sequence);
      }
    });

    test('the oldest events go when there are too many', async () => {
      const { streams, id, nodeId } = await start(makeNode, { maxEvents: 3 });
      for (let i = 1; i <= 10; i++) await streams.append(id, `event ${i}`);
      const kept = (await streams.read(id, 0)).map(({ sequence }) => sequence);
      assert.deepEqual(kept, [8, 9, 10]);
      const { events: left, delivered } = await streams.take(id, nodeId, 2);
      assert.deepEqual([left[0]?.sequence, delivered], [8, 2]);
    });

    test('the oldest events go when they are too large together', async () => {
      const { streams, id } = await start(makeNode, { maxBytes: 100 });
      for (let i = 0; i < 5; i++) await streams.append(id, '€'.repeat(10));
      assert.deepEqual(
        (await streams.read(id, 0)).map(({ sequence }) => sequence),
        [3, 4, 5],
      );
      await streams.append(id, 'x'.repeat(100));
      assert.deepEqual(
        (await streams.read(id, 0)).map(({ sequence }) => sequence),
        [6],
      );
      // What is freed counts no more.
      for (let i = 0; i < 3; i++) await streams.append(id, 'y'.repeat(30));
      assert.deepEqual(
        (await streams.read(id, 0)).map(({ sequence }) => sequence),
        [7, 8, 9],
      );
    });

    test('the newest event stays, however large the others were', async () => {
      const { streams, id } = await start(makeNode, { maxBytes: 10 });
      await streams.append(id, 'small');
      await streams.append(id, 'larger than all that is kept');
      assert.deepEqual(
        (await streams.read(id, 0)).map(({ sequence }) => sequence),
        [2],
      );
    });

    test('an event that is too large is refused and takes no sequence', async () => {
      const { streams, id } = await start(makeNode, { maxEventBytes: 30 });
      await assert.rejects(
        streams.append(id, '€'.repeat(11)),
        (error) => error instanceof GatewayError && error.code === Code.TooLarge,
      );
      assert.equal((await streams.append(id, '€'.repeat(10))).sequence, 1);
    });

    test('events go with their age; sequences go on', async () => {
      const { streams, id, nodeId } = await start(makeNode, { maxAgeMs: 1000, maxBytes: 10 });
      await streams.append(id, '123456');
      await until(async () => (await streams.read(id, 0)).length === 0, { what: 'events to go' });
      assert.deepEqual((await streams.take(id, nodeId, undefined)).events, []);
      assert.equal((await streams.append(id, '12345')).sequence, 2);
      await streams.append(id, '12345');
      // The size of those that are gone does not count.
      assert.deepEqual(
        (await streams.read(id, 0)).map(({ sequence }) => sequence),
        [2, 3],
      );
    });
  });

  async function start(make: MakeNode, limits: Partial<typeof STREAM_LOG_LIMITS> = {}) {
    const node = await make(uniqueId('a'), { ...STREAM_LOG_LIMITS, ...limits });
    const session = makeSession();
    await node.sessions.create(session, node.nodeId, LONG_MS);
    return { streams: node.streams, nodeId: node.nodeId, id: session.id };
  }
}

function events(...data: string[]) {
  return data.map((text, i) => ({ sequence: i + 1, data: text }));
}
