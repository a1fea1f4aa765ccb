import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ASSUMED_VERSION,
  DOWNSTREAM_VERSIONS,
  hasBatches,
  hasPriming,
  isLegacyVersion,
  LATEST_LEGACY,
  LEGACY_VERSIONS,
  negotiate,
} from './versions.ts';

test('a client gets the version it offers, else the newest', () => {
  for (const version of LEGACY_VERSIONS) assert.equal(negotiate(version), version);
  for (const version of ['2024-11-05', '2026-07-28', '', 'x', 'toString', '2025-06-18 ']) {
    assert.equal(negotiate(version), LATEST_LEGACY, version);
    assert.equal(isLegacyVersion(version), false, version);
  }
});

test('the newest is first, and every version that we serve we can also be a client of', () => {
  assert.deepEqual([...LEGACY_VERSIONS].sort().reverse(), [...LEGACY_VERSIONS]);
  for (const version of LEGACY_VERSIONS) assert.ok(DOWNSTREAM_VERSIONS.includes(version));
});

test('batches were in one version, priming events are since one', () => {
  assert.deepEqual(LEGACY_VERSIONS.filter(hasBatches), [ASSUMED_VERSION]);
  assert.deepEqual(LEGACY_VERSIONS.filter(hasPriming), ['2025-11-25']);
});
