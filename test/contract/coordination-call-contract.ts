import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { MAX_SESSION_CALLS, type NotedCall } from '../../src/coordination/call-journal.ts';
import { LONG_MS, makeSession, uniqueId } from '../support/coordination.ts';
import { until } from '../support/wait.ts';
import type { MakeNode } from './coordination-contract.ts';

const call = (request = '{"é":"\\n"}'): NotedCall => ({ serverId: 'files', request });

export function callContract(makeNode: MakeNode): void {
  describe('calls that can be run again', () => {
    async function start() {
      const [a, b] = [await makeNode(uniqueId('a')), await makeNode(uniqueId('b'))];
      const session = makeSession();
      await a.sessions.create(session, a.nodeId, LONG_MS);
      const note = (entries: Record<string, NotedCall>, over: readonly string[] = []) =>
        a.calls.write(session.id, { noted: new Map(Object.entries(entries)), over }, LONG_MS);
      const take = (stream: string, successor: string, resumable = false) =>
        b.calls.takeOver(session.id, stream, successor, resumable, LONG_MS);
      return { a, b, session, note, take };
    }

    test('a call goes to the first that asks for it; the others are told who that is', async () => {
      const { note, take } = await start();
      await note({ 'r1.x.a': call() });
      const taken = await Promise.all(['r1.x.b', 'r1.x.c', 'r1.x.d'].map((each) => take('r1.x.a', each)));
      const [first, ...others] = taken.toSorted((x) => (x?.call === undefined ? 1 : -1));
      assert.deepEqual(first?.call, call());
      for (const other of others) {
        assert.deepEqual(other, { successor: first?.successor, call: undefined });
      }
    });

    test('a call that was taken over can be taken over from there, once more', async () => {
      const { note, take } = await start();
      await note({ one: call() });
      assert.deepEqual(await take('one', 'two'), { successor: 'two', call: call() });
      await note({ two: { ...call(), isSecondRun: true } });
      const second = { ...call(), isSecondRun: true };
      assert.deepEqual(await take('two', 'three'), { successor: 'three', call: second });
      assert.deepEqual(await take('two', 'four'), { successor: 'three', call: undefined });
      assert.deepEqual(await take('one', 'four'), { successor: 'two', call: undefined });
    });

    test('a call that is over, or that was never noted, is nothing to take over', async () => {
      const { note, take } = await start();
      await note({ one: call(), two: call() });
      await note({ three: call('3') }, ['one', 'none']);
      assert.equal(await take('one', 'x'), undefined);
      assert.equal(await take('none', 'x'), undefined);
      assert.deepEqual(await take('two', 'x'), { successor: 'x', call: call() });
      assert.deepEqual(await take('three', 'y'), { successor: 'y', call: call('3') });
    });

    test('an answer that can be resumed without its call goes to the first that asks, too', async () => {
      const { take } = await start();
      assert.deepEqual(await take('one', 'two', true), { successor: 'two', call: undefined });
      assert.deepEqual(await take('one', 'three', true), { successor: 'two', call: undefined });
      assert.deepEqual(await take('one', 'three'), { successor: 'two', call: undefined });
    });

    test('they end with their session, and one that has ended gets none', async () => {
      const { a, session, note, take } = await start();
      await note({ one: call() });
      await a.sessions.delete(session.id);
      assert.equal(await take('one', 'two', true), undefined);
      await note({ one: call() });
      await a.sessions.create(session, a.nodeId, LONG_MS);
      assert.equal(await take('one', 'two'), undefined);
    });

    test('they end after their time, which each that is noted makes longer and none shorter', async () => {
      const { a, session, take } = await start();
      const note = (id: string, ttlMs: number) =>
        a.calls.write(session.id, { noted: new Map([[id, call()]]), over: [] }, ttlMs);
      let tries = 0;
      const isGone = async () => {
        const id = `short ${++tries}`;
        await note(id, 1);
        await delay(2);
        return (await a.calls.takeOver(session.id, id, 'x', false, 1)) === undefined;
      };
      await until(isGone, { what: 'the end of a call' });
      await note('three', LONG_MS);
      await note('four', 1);
      assert.deepEqual(await take('four', 'x'), { successor: 'x', call: call() });
      assert.deepEqual(await take('three', 'y'), { successor: 'y', call: call() });
    });

    test('a session has so many and no more', async () => {
      const { note, take } = await start();
      const many = Array.from({ length: MAX_SESSION_CALLS + 1 }, (_, n) => [`s${n}`, call()] as const);
      await note(Object.fromEntries(many));
      assert.equal(await take(`s${MAX_SESSION_CALLS}`, 'x'), undefined);
      assert.equal(await take('made up', 'x', true), undefined);
      assert.deepEqual(await take('s0', 'x'), { successor: 'x', call: call() });
    });
  });
}
