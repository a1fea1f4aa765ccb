import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Labels } from './labels.ts';

const itself = (attributes: object) => attributes;

test('known values have a label each, the rest shares one', () => {
  const labels = new Labels('method', { known: ['ping', 'tools/call'] }, itself, { face: 'x' });
  assert.deepEqual(labels.of('ping'), { method: 'ping', face: 'x' });
  assert.deepEqual(labels.of('made/up'), { method: 'other', face: 'x' });
  assert.equal(labels.of('made/up'), labels.of('__proto__'));
});

test('as many values as there is room for have a label each', () => {
  const labels = new Labels('server', { max: 2 }, itself);
  labels.of('a');
  labels.of('b');
  assert.deepEqual(labels.of('c'), { server: 'other' });
  assert.deepEqual(labels.of('a'), { server: 'a' });
});

test('what there is of a value is made once', () => {
  const labels = new Labels('server', { max: 2 }, itself);
  assert.equal(labels.of('a'), labels.of('a'));
});
