import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDuration, parseDuration } from './durations.ts';

test('a time is read as it is shown', () => {
  const times: [string, number][] = [
    ['250ms', 250],
    ['90s', 90_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['1h30m', 5_400_000],
    ['2m5s10ms', 125_010],
  ];
  for (const [text, ms] of times) {
    assert.equal(parseDuration(text, '--timeout'), ms, text);
    assert.equal(parseDuration(formatDuration(ms), '--timeout'), ms, text);
  }
  assert.equal(formatDuration(90_000), '1m30s');
  assert.equal(formatDuration(0), '0s');
});

test('what is no time is refused, and the option named', () => {
  for (const text of ['', '90', '0s', '-1s', '1.5s', '1s1h', '5 m', 's', '1d', `${'9'.repeat(30)}h`]) {
    assert.throws(() => parseDuration(text, '--timeout'), { exitCode: 2, message: /^--timeout: / }, text);
  }
});
