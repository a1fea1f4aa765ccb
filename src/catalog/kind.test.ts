import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kindOf, scopeOf } from './kind.ts';

const owner = { tenantId: 't', userId: 'u' };

test('clients that can do the same are of one kind, in whatever order they say so', () => {
  const a = { roots: { listChanged: true, x: [1, { b: 1, a: 2 }] }, sampling: {} };
  const b = { sampling: {}, roots: { x: [1, { a: 2, b: 1 }], listChanged: true } };
  assert.equal(kindOf(a), kindOf(b));
  assert.equal(scopeOf(owner, a), scopeOf(owner, b));
});

test('whoever can do other things is of another', () => {
  const kinds = [
    {},
    { roots: {} },
    { sampling: {} },
    { roots: { listChanged: true } },
    { roots: { listChanged: false } },
    { roots: [] },
    { roots: [1, 2] },
    { roots: [2, 1] },
    { ['__proto__']: {} },
  ];
  assert.equal(new Set(kinds.map(kindOf)).size, kinds.length);
  assert.equal(new Set(kinds.map((kind) => scopeOf(owner, kind))).size, kinds.length);
});

test('scopes of two owners differ, wherever one part of a name ends', () => {
  const owners = [
    owner,
    { tenantId: 't', userId: 'v' },
    { tenantId: 'tu', userId: '' },
    { tenantId: '', userId: 'tu' },
    { tenantId: 't","u', userId: '' },
  ];
  assert.equal(new Set(owners.map((each) => scopeOf(each, {}))).size, owners.length);
  for (const each of owners) assert.match(scopeOf(each, {}), /^[\w-]{22}$/);
});
