import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keptBody } from './body.ts';

test('secrets are masked by name and by form, also in JSON inside of texts', () => {
  const inner = JSON.stringify({ password: 'hidden-1', list: JSON.stringify([{ apiKey: 'hidden-2' }]) });
  const body = keptBody(
    JSON.stringify({
      id: 7,
      params: { name: 'login', arguments: { token: 'hidden-3', city: 'Berlin' } },
      content: [{ type: 'text', text: inner }, 'Authorization: Bearer hidden-4', 'http://me:hidden-5@host/'],
    }),
  );
  assert.ok(body?.includes('Berlin') && body.includes('"id":7') && body.includes('password'));
  assert.doesNotMatch(body ?? '', /hidden/);
});

test('what cannot be read, and what is too long, is left out, and the rest is cut', () => {
  assert.equal(keptBody('{"password":"hid'), undefined);
  assert.equal(keptBody(JSON.stringify('x'.repeat(70_000))), undefined);
  const many = JSON.stringify(Array.from({ length: 2000 }, () => 'word-word'));
  assert.equal(keptBody(Buffer.from(many))?.length, 8193);
});
