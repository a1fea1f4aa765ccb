import assert from 'node:assert/strict';
import { test } from 'node:test';
import { medianOf, ratioOf, ratiosOf } from './results.ts';
import { measureOf, sampleOf } from './samples.ts';

test('medians leave out what is no number', () => {
  assert.equal(medianOf([10, 9, 100]), 10);
  assert.equal(medianOf([10, undefined, Number.NaN, 4, 9]), 9);
  assert.equal(medianOf([4, 3]), 3);
  assert.equal(medianOf([undefined]), undefined);
});

test('a ratio is one of the same round, and more is better whatever is compared', () => {
  const measure = measureOf({
    gateway: [sampleOf(200, 1), sampleOf(2000, 1), sampleOf(30, 1)],
    'bare proxy': [sampleOf(100, 2), sampleOf(1000, 2), sampleOf(10, 2)],
  });
  assert.equal(ratioOf(measure, ['gateway', 'bare proxy'], 'rate'), 2);
  assert.equal(ratioOf(measure, ['gateway', 'bare proxy'], 'CPU'), 2);
  assert.equal(ratioOf(measure, ['bare proxy', 'gateway'], 'CPU'), 0.5);
  assert.equal(ratioOf(measure, ['gateway', 'nginx'], 'rate'), undefined);
});

test('a round in which the other did nothing says nothing; one in which the target did nothing says that', () => {
  const measure = measureOf({
    gateway: [sampleOf(300, 1), sampleOf(100, 1)],
    'bare proxy': [sampleOf(100, 1), sampleOf(0, 1)],
    nginx: [sampleOf(0, 1)],
  });
  assert.equal(ratioOf(measure, ['gateway', 'bare proxy'], 'rate'), 3);
  assert.equal(ratioOf(measure, ['nginx', 'gateway'], 'rate'), 0);
});

test('all ratios have a name of their own, and those of targets that were not there are left out', () => {
  const measure = measureOf({ gateway: [sampleOf(200, 1)], nginx: [sampleOf(400, 0.5)] });
  const footprint = {
    id: 'memory stream',
    what: 'a stream',
    kb: { gateway: 10, nginx: 15 },
    pairs: [
      ['gateway', 'nginx'],
      ['gateway', 'bare proxy'],
    ] as const,
  };
  assert.deepEqual(ratiosOf({ measures: [measure], footprints: [footprint] }), [
    { id: 'calls small 64: gateway beside nginx: rate', section: 'calls', value: 0.5 },
    { id: 'calls small 64: gateway beside nginx: CPU', section: 'calls', value: 0.5 },
    { id: 'memory stream: gateway beside nginx: memory', section: 'memory', value: 1.5 },
  ]);
});
