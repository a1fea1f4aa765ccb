import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Owner } from './principal.ts';
import { SubjectTokens } from './subject-tokens.ts';

const ANN: Owner = { tenantId: 'acme', userId: 'ann' };

test('a token is its owner’s alone, and gone at its end', (t) => {
  t.mock.timers.enable({ apis: ['Date', 'setTimeout'], now: 1_000_000 });
  const tokens = new SubjectTokens();
  tokens.keep(ANN, 'one', 1_060_000);
  const known = tokens.of(ANN);
  assert.deepEqual(known, { token: 'one', endsAt: 1_060_000 });
  assert.equal(tokens.of({ tenantId: 'other', userId: 'ann' }), undefined);
  assert.equal(tokens.of({ tenantId: 'acme', userId: 'bob' }), undefined);
  tokens.keep(ANN, 'one', 1_060_000);
  assert.equal(tokens.of(ANN), known);
  tokens.keep(ANN, 'two', 1_030_000);
  assert.equal(tokens.of(ANN)?.token, 'two');
  t.mock.timers.tick(30_000);
  assert.equal(tokens.of(ANN), undefined);
  tokens.keep(ANN, 'over', 1_000_000);
  assert.equal(tokens.of(ANN), undefined);
  tokens.keep(ANN, 'one', 1_060_000);
  tokens.close();
  assert.equal(tokens.of(ANN), undefined);
});

test('it is told when one comes where there was none', (t) => {
  t.mock.timers.enable({ apis: ['Date', 'setTimeout'], now: 1_000_000 });
  const tokens = new SubjectTokens();
  const told: Owner[] = [];
  tokens.onArrival((owner) => told.push(owner));
  tokens.keep(ANN, 'one', 1_060_000);
  tokens.keep(ANN, 'two', 1_090_000);
  assert.equal(told.length, 1);
  t.mock.timers.tick(90_000);
  tokens.keep(ANN, 'three', 1_190_000);
  assert.deepEqual(told, [ANN, ANN]);
  tokens.close();
});
