import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quietRounds } from './rounds.ts';
import { latencyOf, ratios, spread } from './statistics.ts';

test('numbers are ordered as numbers', () => {
  assert.deepEqual(spread([10, 9, 100]), { median: 10, least: 9, most: 100 });
});

test('a ratio is one of the same round', () => {
  // Each round is twice as much, whatever the machine did meanwhile.
  assert.deepEqual(ratios([2, 20, 200], [1, 10, 100]), { median: 2, least: 2, most: 2 });
});

test('percentiles of latencies', () => {
  const milliseconds = Array.from({ length: 200 }, (_, index) => 200 - index);
  assert.deepEqual(latencyOf(milliseconds), { p50: 101, p99: 199 });
  assert.deepEqual(latencyOf([3]), { p50: 3, p99: 3 });
});

test('disturbed rounds are made again, so often, and the quietest count', async () => {
  const madeOf = async (noise: readonly number[], extra: number) => {
    let made = 0;
    const rounds = await quietRounds(3, extra, async (number) => {
      made++;
      return { number, otherCpu: noise[number - 1] };
    });
    return { made, numbers: rounds.map(({ number }) => number).sort() };
  };
  assert.deepEqual(await madeOf([0, 0, 0], 2), { made: 3, numbers: [1, 2, 3] });
  assert.deepEqual(await madeOf([0, 1, 0, 0], 2), { made: 4, numbers: [1, 3, 4] });
  assert.deepEqual(await madeOf([0.5, 2, 0, 1, 0.4], 2), { made: 5, numbers: [1, 3, 5] });
  assert.deepEqual(await madeOf([1, 1, 1], 0), { made: 3, numbers: [1, 2, 3] });
});
