import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLabels } from './labels.ts';

test('known values have a label each, the rest shares one', () => {
  const labels = createLabels('method', { known: ['ping', 'tools/call'] });
  assert.deepEqual(labels.of('ping').alone, { method: 'ping' });
  assert.deepEqual(labels.of('tools/call').by.error, { method: 'tools/call', outcome: 'error' });
  assert.deepEqual(labels.of('made/up').alone, { method: 'other' });
  assert.equal(labels.of('made/up'), labels.of('__proto__'));
});

test('as many values as there is room for have a label each', () => {
  const labels = createLabels('server', { max: 2 });
  labels.of('a');
  labels.of('b');
  assert.deepEqual(labels.of('c').alone, { server: 'other' });
  assert.deepEqual(labels.of('a').alone, { server: 'a' });
});

test('recording the same value again makes no new attributes', () => {
  const labels = createLabels('server', { max: 2 });
  assert.equal(labels.of('a').by.ok, labels.of('a').by.ok);
});
