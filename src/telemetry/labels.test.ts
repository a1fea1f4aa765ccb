import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Labels } from './labels.ts';

const made = (value: string) => ({ value });

test('known values have a label each, the rest shares one', () => {
  const labels = new Labels({ known: ['ping', 'tools/call'] }, made);
  assert.deepEqual(labels.of('ping'), { value: 'ping' });
  assert.deepEqual(labels.of('made/up'), { value: 'other' });
  assert.equal(labels.of('made/up'), labels.of('__proto__'));
  assert.equal(labels.of('made/up'), labels.other);
});

test('as many values as there is room for have a label each', () => {
  const labels = new Labels({ max: 2 }, made);
  labels.of('a');
  labels.of('b');
  assert.deepEqual(labels.of('c'), { value: 'other' });
  assert.deepEqual(labels.of('a'), { value: 'a' });
});

test('what there is of a value is made once', () => {
  const labels = new Labels({ max: 2 }, made);
  assert.equal(labels.of('a'), labels.of('a'));
});
