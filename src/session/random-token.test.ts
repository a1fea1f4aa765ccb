import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomToken } from './random-token.ts';

test('tokens have their length, and no two are the same', () => {
  const tokens = Array.from({ length: 2000 }, (_, index) => randomToken(index % 2 === 0 ? 24 : 16));
  assert.equal(new Set(tokens).size, tokens.length);
  for (const [index, token] of tokens.entries()) {
    assert.match(token, /^[\w-]+$/);
    assert.equal(Buffer.from(token, 'base64url').length, index % 2 === 0 ? 24 : 16);
    assert.notEqual(token, 'A'.repeat(token.length));
  }
});

test('the bits of tokens are as often on as off', () => {
  let on = 0;
  for (let each = 0; each < 1000; each++) {
    for (const byte of Buffer.from(randomToken(32), 'base64url')) {
      for (let bits = byte; bits > 0; bits >>= 1) on += bits & 1;
    }
  }
  // Of 256,000 bits; this is twelve standard deviations.
  assert.ok(Math.abs(on - 128_000) < 3036, `${on} of 256000`);
});
