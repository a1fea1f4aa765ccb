import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Backoff } from './backoff.ts';

test('delays double up to the longest, each from the upper half of its range, and begin anew after a reset', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: 100_000 }), (first, max) => {
      const backoff = new Backoff(first, max);
      for (let round = 0; round < 2; round++) {
        for (let failures = 0; failures < 2000; failures++) {
          const full = Math.min(max, first * 2 ** failures);
          const delay = backoff.next();
          assert.ok(delay >= full / 2 && delay <= full, `${delay} after ${failures} failures`);
        }
        backoff.reset();
      }
    }),
    { numRuns: 20 },
  );
});

test('those who failed together do not come back together', () => {
  const delays = Array.from({ length: 20 }, () => new Backoff(1000, 1000).next());
  assert.ok(new Set(delays).size > 1);
});
