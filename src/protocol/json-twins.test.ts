import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasTwins } from './json-twins.ts';

test('a key that stands twice is found however deep, and however it is written', () => {
  for (const text of [
    '{"a":1,"a":2}',
    '{"a":1,"\\u0061":2}',
    '[{"x":[{"a":1},{"b":{"a":1, "a" :2}}]}]',
    '{"a":{"a":1},"b":"}","a":[]}',
    '{"":1,"":2}',
  ])
    assert.equal(hasTwins(text), true, text);
  for (const text of [
    '{"a":{"a":{"a":"a"}}}',
    '[{"a":1},{"a":1}]',
    '{"a":"a","b":["a","a"]}',
    '"a"',
    '1',
    '{}',
  ])
    assert.equal(hasTwins(text), false, text);
});

test('no text that JSON.stringify makes has twins; with a member put in once more it has', () => {
  fc.assert(
    fc.property(fc.json(), fc.string(), (text, key) => {
      assert.equal(hasTwins(JSON.stringify(JSON.parse(text))), false);
      const name = JSON.stringify(key);
      assert.equal(
        hasTwins(`{${name}:${text},"k${key.length}${'x'.repeat(key.length)}":[${text}],${name}:0}`),
        true,
      );
    }),
  );
});
