import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LONG_MS, uniqueId } from '../support/coordination.ts';
import { until } from '../support/wait.ts';
import type { MakeNode } from './coordination-contract.ts';

/** Nothing is refilled while a test runs. */
const SLOW = { calls: 10, periodMs: 1_000_000_000 };

export function allowanceContract(makeNode: MakeNode): void {
  describe('allowances', () => {
    const two = async () => {
      const nodes = [await makeNode(uniqueId('node')), await makeNode(uniqueId('node'))];
      return nodes.map(({ allowances }) => allowances) as [
        (typeof nodes)[0]['allowances'],
        (typeof nodes)[0]['allowances'],
      ];
    };

    test('a bucket is full to begin with, and nodes take from the same', async () => {
      const [a, b] = await two();
      const id = uniqueId('bucket');
      assert.deepEqual(await a.take(id, SLOW, 4, 0), { count: 4, waitMs: 0 });
      assert.deepEqual(await b.take(id, SLOW, 6, 0), { count: 6, waitMs: 0 });
      const { count, waitMs } = await a.take(id, SLOW, 1, 0);
      assert.equal(count, 0);
      assert.ok(waitMs > 0 && waitMs <= 100_000_000, String(waitMs));
      assert.equal((await b.take(uniqueId('bucket'), SLOW, 1, 0)).count, 1);
    });

    test('of nodes that take at once no two get the same token', async () => {
      const nodes = await two();
      const id = uniqueId('bucket');
      const taken = await Promise.all(
        Array.from({ length: 40 }, (_, n) => nodes[n % 2]!.take(id, SLOW, 1 + (n % 3), 0)),
      );
      assert.equal(
        taken.reduce((sum, { count }) => sum + count, 0),
        10,
      );
    });

    test('where there are fewer than wanted one gets those, and is told how long the next takes', async () => {
      const [a] = await two();
      const id = uniqueId('bucket');
      await a.take(id, SLOW, 7, 0);
      const { count, waitMs } = await a.take(id, SLOW, 7, 0);
      assert.equal(count, 3);
      assert.ok(waitMs > 90_000_000, String(waitMs));
    });

    test('what is given back can be taken, and no bucket holds more than it may', async () => {
      const [a, b] = await two();
      const id = uniqueId('bucket');
      await a.take(id, SLOW, 10, 0);
      assert.deepEqual(await a.take(id, SLOW, 0, 3), { count: 0, waitMs: 0 });
      assert.equal((await b.take(id, SLOW, 10, 2)).count, 5);
      await b.take(id, SLOW, 0, 1000);
      assert.equal((await a.take(id, SLOW, 1000, 0)).count, 10);
    });

    test('tokens come back with time, never more than in so much of it, and whoever waits as told gets one', async () => {
      const [a] = await two();
      const id = uniqueId('bucket');
      const rate = { calls: 10, periodMs: 1000 };
      const began = Date.now();
      let sum = (await a.take(id, rate, 10, 0)).count;
      await until(
        async () => {
          sum += (await a.take(id, rate, 100, 0)).count;
          return sum >= 15;
        },
        { what: 'five more' },
      );
      assert.ok(sum <= 10 + (Date.now() - began) / 100 + 1, String(sum));
      const { waitMs } = await a.take(id, rate, 100, 0);
      assert.ok(waitMs >= 1 && waitMs <= 100, String(waitMs));
    });

    test('nodes have slots, together no more than there are', async () => {
      const [a, b] = await two();
      const id = uniqueId('bucket');
      assert.equal(await a.hold(id, 5, 'a', 3, LONG_MS), 3);
      assert.equal(await b.hold(id, 5, 'b', 4, LONG_MS), 2);
      assert.equal(await a.hold(id, 5, 'a', 4, LONG_MS), 3);
      assert.equal(await b.hold(id, 5, 'b', 0, LONG_MS), 0);
      assert.equal(await a.hold(id, 5, 'a', 9, LONG_MS), 5);
      assert.equal(await b.hold(id, 5, 'b', 1, LONG_MS), 0);
      assert.equal(await a.hold(id, 5, 'a', 1, LONG_MS), 1);
      assert.equal(await b.hold(id, 5, 'b', 9, LONG_MS), 4);
    });

    test('of nodes that want slots at once none gets one of another', async () => {
      const nodes = await two();
      const id = uniqueId('bucket');
      const held = await Promise.all(
        Array.from({ length: 20 }, (_, n) => nodes[n % 2]!.hold(id, 7, `n${n}`, 1, LONG_MS)),
      );
      assert.equal(
        held.reduce((sum, count) => sum + count, 0),
        7,
      );
    });

    test('slots that are not renewed are free, and those that are stay', async () => {
      const [a, b] = await two();
      const id = uniqueId('bucket');
      await a.hold(id, 5, 'gone', 2, 1500);
      await a.hold(id, 5, 'kept', 1, 1500);
      await a.hold(id, 5, 'kept', 1, LONG_MS);
      assert.equal(await b.hold(id, 5, 'b', 5, LONG_MS), 2);
      await until(async () => (await b.hold(id, 5, 'b', 5, LONG_MS)) === 4, { what: 'the free slots' });
    });

    test('buckets have nothing to do with each other, whatever they are called', async () => {
      const [a] = await two();
      const base = uniqueId('bucket');
      for (const odd of ['', '}', '{', '{a}', '%7D', ':', '__proto__']) {
        assert.equal((await a.take(base + odd, SLOW, 10, 0)).count, 10, odd);
        assert.equal(await a.hold(base + odd, 2, '{node} 1', 2, LONG_MS), 2, odd);
      }
    });
  });
}
