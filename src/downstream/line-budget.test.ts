import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LineBudget } from './line-budget.ts';

function logged(budget: LineBudget, lines: number, now: number): (number | undefined)[] {
  return Array.from({ length: lines }, () => budget.take(now)).filter((taken) => taken !== undefined);
}

test('a burst is logged whole, a flood only in part', () => {
  const budget = new LineBudget(0);
  assert.equal(logged(budget, 1000, 0).length, 200);
  assert.equal(logged(budget, 1000, 500).length, 10);
  assert.equal(logged(budget, 1000, 1000).length, 10);
});

test('the first line after a gap tells how many are missing', () => {
  const budget = new LineBudget(0);
  logged(budget, 1000, 0);
  assert.deepEqual(logged(budget, 3, 100), [800, 0]);
  assert.deepEqual(logged(budget, 1, 100_000), [1]);
});

test('quiet times save up no more than a burst', () => {
  const budget = new LineBudget(0);
  assert.equal(logged(budget, 1000, 86_400_000).length, 200);
});
