import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TokenBucket } from './token-bucket.ts';

test('a bucket is full to begin with, refills evenly, and says when there is a token', () => {
  const bucket = new TokenBucket({ calls: 4, periodMs: 1000 }, 0);
  assert.equal(bucket.take(3, 0), 3);
  assert.equal(bucket.take(3, 0), 1);
  assert.equal(bucket.take(1, 0), 0);
  assert.equal(bucket.waitMs(0), 250);
  assert.equal(bucket.waitMs(100), 150);
  assert.equal(bucket.take(1, 249), 0);
  assert.equal(bucket.take(2, 250), 1);
  assert.equal(bucket.fullMs(250), 1000);
  assert.equal(bucket.take(9, 10_000), 4);
  bucket.giveBack(9, 10_000);
  assert.equal(bucket.take(9, 10_000), 4);
});

test('a clock that goes back gives nothing', () => {
  const bucket = new TokenBucket({ calls: 1, periodMs: 1000 }, 5000);
  assert.equal(bucket.take(1, 5000), 1);
  assert.equal(bucket.take(1, 0), 0);
  assert.equal(bucket.take(1, 5999), 0);
  assert.equal(bucket.take(1, 6000), 1);
});

test('in any time no more is taken than it holds and what is refilled, and whoever waits as told gets one', () => {
  const step = fc.record({ after: fc.nat({ max: 3000 }), want: fc.integer({ min: 1, max: 20 }) });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1000, max: 100_000 }),
      fc.array(step, { minLength: 1, maxLength: 40 }),
      (calls, periodMs, steps) => {
        const bucket = new TokenBucket({ calls, periodMs }, 0);
        const taken: { at: number; count: number }[] = [];
        let now = 0;
        for (const { after, want } of steps) {
          now += after;
          taken.push({ at: now, count: bucket.take(want, now) });
        }
        for (const [first, { at: begin }] of taken.entries()) {
          let sum = 0;
          for (const { at, count } of taken.slice(first)) {
            sum += count;
            assert.ok(sum <= calls + ((at - begin) * calls) / periodMs + 1e-3, `${sum} at ${at}`);
          }
        }
        assert.equal(bucket.take(1, now + Math.ceil(bucket.waitMs(now))), 1);
      },
    ),
  );
});
