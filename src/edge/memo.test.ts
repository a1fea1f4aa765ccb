import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoized } from './memo.ts';

test('a text is read once, whatever comes of it, and many texts cost no memory', () => {
  const read: string[] = [];
  const length = memoized((text) => {
    read.push(text);
    return text === '' ? undefined : text.length;
  });
  for (const text of ['', 'ab', '', 'ab']) assert.equal(length(text), text === '' ? undefined : 2);
  assert.deepEqual(read, ['', 'ab']);
  for (let n = 0; n < 1000; n++) assert.equal(length(`x${n}`), `x${n}`.length);
  // The first have been forgotten.
  assert.equal(length('ab'), 2);
  assert.equal(read.filter((text) => text === 'ab').length, 2);
});
