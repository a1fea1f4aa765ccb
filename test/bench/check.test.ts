import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compare, describe, record } from './check.ts';
import type { Ratio } from './results.ts';

const ratio = (id: string, value: number): Ratio => ({ id, section: 'calls', value });

test('what fell by more than a tenth is named, and nothing else is', () => {
  const recorded = { ratios: { 'calls a': 2, 'calls b': 2, 'calls c': 2 } };
  const comparison = compare(
    [ratio('calls a', 1.79), ratio('calls b', 1.81), ratio('calls c', 9)],
    recorded,
    ['calls'],
  );
  assert.equal(comparison.compared, 3);
  assert.deepEqual(comparison.fallen, ['calls a: 1.79, recorded 2.00 (10.5 % less)']);
  assert.match(describe(comparison), /Fell by more than 10 %:\n {2}calls a: 1\.79/);
});

test('what is not recorded yet is named and does not count', () => {
  const comparison = compare([ratio('calls new', 0.1)], { ratios: {} }, ['calls']);
  assert.deepEqual(comparison.fallen, []);
  assert.deepEqual(comparison.unknown, ['calls new']);
  assert.match(describe(comparison), /Not recorded yet:\n {2}calls new\nNone fell/);
});

test('what is recorded of sections that ran is missed, of others it is not', () => {
  const recorded = { ratios: { 'calls a': 1, 'calls gone': 1, 'sse b': 1 } };
  assert.deepEqual(compare([ratio('calls a', 1)], recorded, ['calls']).missing, ['calls gone']);
});

test('a record keeps what a run did not measure, in the order of names', () => {
  const before = { ratios: { 'sse b': 1, 'calls a': 1 } };
  assert.equal(
    JSON.stringify(record([ratio('calls a', 1.23456)], before)),
    '{"ratios":{"calls a":1.235,"sse b":1}}',
  );
});
