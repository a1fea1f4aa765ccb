import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fairLevel } from './share.ts';

test('what fits is not limited, what does not is shared by those who ask for most', () => {
  assert.equal(fairLevel([], 10), Number.POSITIVE_INFINITY);
  assert.equal(fairLevel([3, 4, 3], 10), Number.POSITIVE_INFINITY);
  assert.equal(fairLevel([100, 100], 10), 5);
  assert.equal(fairLevel([100, 1, 1], 10), 8);
  assert.equal(fairLevel([100, 2, 100], 10), 4);
});

test('the level uses up the capacity, and nobody below it is cut', () => {
  const demands = fc.array(fc.integer({ min: 0, max: 10_000 }), { maxLength: 50 });
  fc.assert(
    fc.property(demands, fc.integer({ min: 1, max: 50_000 }), (all, capacity) => {
      const level = fairLevel([...all], capacity);
      const given = all.reduce((sum, demand) => sum + Math.min(demand, level), 0);
      const asked = all.reduce((sum, demand) => sum + demand, 0);
      assert.ok(Math.abs(given - Math.min(asked, capacity)) < 1e-6 * capacity);
      assert.equal(level === Number.POSITIVE_INFINITY, asked <= capacity);
    }),
  );
});
