import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LimitSettings, limitsOf, readLimits } from './rules.ts';

const problemOf = (settings: unknown) => {
  const read = readLimits(typeof settings === 'string' ? settings : JSON.stringify(settings));
  return 'problem' in read ? read.problem : undefined;
};

test('a rule has calls in seconds, or so many at once, or both', () => {
  for (const rule of [
    { calls: 10, seconds: 60 },
    { atOnce: 3 },
    { name: 'n', users: ['a*'], per: 'tool', tools: ['x'], calls: 1, seconds: 1.5, atOnce: 1 },
  ])
    assert.equal(problemOf({ rules: [rule] }), undefined, JSON.stringify(rule));
});

test('what is wrong is said, with its rule and its member', () => {
  for (const [settings, problem] of [
    ['{', /^it is not JSON/],
    [{}, /^rules/],
    [{ rules: [{}] }, /^rule 1: expected calls or atOnce/],
    [{ rules: [{ atOnce: 1 }, { name: 'x', calls: 1 }] }, /^rule 2 \(x\), seconds: is missing/],
    [{ rules: [{ atOnce: 1, seconds: 1 }] }, /^rule 1, calls: is missing/],
    [{ rules: [{ atOnce: 0 }] }, /^rule 1, atOnce/],
    [{ rules: [{ calls: 1.5, seconds: 1 }] }, /^rule 1, calls/],
    [{ rules: [{ calls: 1, seconds: 0 }] }, /^rule 1, seconds/],
    [{ rules: [{ atOnce: 1, per: 'role' }] }, /^rule 1, per/],
    [{ rules: [{ atOnce: 1, calles: 1 }] }, /^rule 1: .*calles/],
    [{ rules: [{ atOnce: 1, users: [] }] }, /^rule 1, users/],
  ] as const)
    assert.match(problemOf(settings) ?? '', problem, JSON.stringify(settings));
});

test('a rule is the same wherever it stands, and two that are alike are two', () => {
  const idsOf = (...rules: object[]) =>
    limitsOf(readLimits(JSON.stringify({ rules })) as LimitSettings).map(({ id }) => id);
  const [a, b] = [{ atOnce: 1 }, { calls: 2, seconds: 3 }];
  assert.deepEqual(idsOf(a, b), idsOf(b, a).reverse());
  assert.deepEqual(idsOf(b), idsOf({ seconds: 3, calls: 2, per: 'user' }));
  assert.equal(new Set(idsOf(a, a, b, { ...a, name: 'x' }, { ...b, calls: 3 })).size, 5);
});
