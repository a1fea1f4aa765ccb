import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LEGACY_VERSIONS, SSE_VERSION } from '../versions.ts';
import { commonVersion, isModernVersion, LATEST_MODERN, MODERN_VERSIONS, namesModern } from './versions.ts';

test('versions of this era are told from older ones and from what is no version', () => {
  for (const version of MODERN_VERSIONS) assert.ok(namesModern(version) && isModernVersion(version));
  for (const version of [...LEGACY_VERSIONS, SSE_VERSION])
    assert.ok(!namesModern(version) && !isModernVersion(version));
  assert.ok(namesModern('2027-01-01') && !isModernVersion('2027-01-01'));
  for (const other of ['', 'v999.0.0', 'latest', '2026-07-28 ', '20270101', '2027-1-1', '9']) {
    assert.ok(!namesModern(other) && !isModernVersion(other), other);
  }
  assert.ok(!isModernVersion(undefined));
});

test('the newest version of both sides is picked', () => {
  assert.equal(commonVersion(['2025-11-25', '2099-01-01', LATEST_MODERN]), LATEST_MODERN);
  assert.equal(commonVersion(['2025-11-25']), undefined);
  assert.equal(commonVersion([7, null]), undefined);
});
