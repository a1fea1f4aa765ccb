import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metricsIn } from './promql.ts';

for (const [expression, ...names] of [
  ['up', 'up'],
  ['sum by (le, server) (rate(a_bucket{x=~"b|c", y!="d{"}[$__rate_interval])) > 0.5', 'a_bucket'],
  ['a{} / on (instance) group_left (version) b offset 5m and c == 1e3', 'a', 'b', 'c'],
  ['histogram_quantile(0.99, sum(rate(a_bucket[5m])) by (le))', 'a_bucket'],
] as const) {
  test(expression, () => assert.deepEqual([...metricsIn(expression)], names));
}

for (const wrong of ['sum(a', 'a)', 'a{b="c"', 'a ? b', '"a'])
  test(`not: ${wrong}`, () => assert.throws(() => metricsIn(wrong)));
