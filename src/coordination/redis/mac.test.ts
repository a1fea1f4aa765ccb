import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { Mac } from './mac.ts';

test('is the HMAC that node:crypto makes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
      const key = randomBytes(32);
      const mac = new Mac(key);
      const expected = createHmac('sha256', key).update(text).digest();
      // Twice, for nothing of one is to be in the next.
      assert.deepEqual([mac.of(text), mac.of(text)], [expected, expected]);
    }),
  );
});
