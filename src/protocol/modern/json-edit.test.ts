import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { jsonObject, jsonValue, keyContent, space } from '../../../test/support/json-text.ts';
import { locate } from '../json-text.ts';
import { editAt, editObject, editRequest } from './json-edit.ts';

const edits = fc.uniqueArray(fc.tuple(keyContent, fc.option(jsonValue, { nil: undefined })), {
  maxLength: 4,
  selector: ([key]) => key,
});

/** Own properties only, whatever the keys are called. */
function entriesOf(text: string): Map<string, unknown> {
  return new Map(Object.entries(JSON.parse(text)));
}

test('an edited object has what was set, lacks what was removed, and keeps every other byte', () => {
  fc.assert(
    fc.property(jsonObject, edits, space, (text, changes, before) => {
      const all = before + text;
      const expected = entriesOf(all);
      for (const [key, json] of changes) {
        if (json === undefined) expected.delete(key);
        else expected.set(key, JSON.parse(json));
      }
      const result = editObject(all, changes);
      assert.ok(result !== undefined);
      const got = entriesOf(result);
      assert.deepEqual([...got.keys()].sort(), [...expected.keys()].sort());
      for (const [key, value] of expected) assert.deepEqual(got.get(key), value);
      for (const key of expected.keys()) {
        if (changes.some(([changed]) => changed === key)) continue;
        const was = locate(all, [key]);
        const is = locate(result, [key]);
        assert.ok(was && is);
        assert.equal(result.slice(is.start, is.end), all.slice(was.start, was.end));
      }
    }),
  );
});

test('nothing to edit leaves the text as it is', () => {
  fc.assert(
    fc.property(jsonObject, (text) => {
      assert.equal(editObject(text, []), text);
      assert.equal(editObject(text, [['no such key of theirs', undefined]]), text);
    }),
  );
});

test('members go and come at either end and in the middle', () => {
  const text = '{ "a,": 1 , "b": [2,3] ,\n"c,c":{"d":4} }';
  assert.equal(editObject(text, [['a,', undefined]]), '{ "b": [2,3] ,\n"c,c":{"d":4} }');
  assert.equal(editObject(text, [['b', undefined]]), '{ "a,": 1 ,\n"c,c":{"d":4} }');
  assert.equal(editObject(text, [['c,c', undefined]]), '{ "a,": 1 , "b": [2,3] }');
  assert.equal(
    editObject(text, [
      ['a,', undefined],
      ['c,c', undefined],
      ['b', '0'],
      ['z', 'null'],
    ]),
    '{"z":null , "b": 0 }',
  );
  assert.equal(editObject('{}', [['a', '1']]), '{"a":1}');
  assert.equal(
    editObject('{"a":1,"b":2}', [
      ['a', undefined],
      ['b', undefined],
    ]),
    '{}',
  );
});

test('what is no object and what has a key twice is not edited', () => {
  for (const text of ['[1]', '"{}"', 'null', '{"a":1,"a":2}', '{"a":1,"\\u0061":2}']) {
    assert.equal(editObject(text, [['b', '1']]), undefined, text);
    assert.equal(editAt(`{"x":${text}}`, ['x'], [['b', '1']]), undefined, text);
  }
});

test('an object inside is edited, and made where there is something to put in', () => {
  const text = '{"id":1,"params":{"_meta":{"k":1,"n":2},"name":"x"}}';
  assert.equal(
    editAt(text, ['params', '_meta'], [['k', '2']]),
    '{"id":1,"params":{"_meta":{"k":2,"n":2},"name":"x"}}',
  );
  assert.equal(editAt('{"id":1}', ['params', '_meta'], [['k', '2']]), '{"params":{"_meta":{"k":2}},"id":1}');
  assert.equal(editAt('{"id":1}', ['params', '_meta'], [['k', undefined]]), '{"id":1}');
});

test('a request is edited at all its levels in one go', () => {
  const text =
    '{"jsonrpc":"2.0","id":7,"method":"m","params":{"name":"n","a":12345678901234567890,"_meta":{"v":1,"t":2}}}';
  assert.equal(
    editRequest(text, {
      id: '"x"',
      params: [
        ['name', '"own"'],
        ['requestState', '"s"'],
      ],
      meta: [
        ['v', undefined],
        ['w', '{}'],
      ],
    }),
    '{"jsonrpc":"2.0","id":"x","method":"m","params":{"requestState":"s","name":"own","a":12345678901234567890,"_meta":{"w":{},"t":2}}}',
  );
});

test('metadata in which nothing is left goes, and params of which there are none are not made', () => {
  const request = (params: string) => `{"jsonrpc":"2.0","id":1,"method":"m"${params}}`;
  const meta = [['v', undefined]] as const;
  assert.equal(
    editRequest(request(',"params":{"_meta":{"v":1},"a":2}'), { meta }),
    request(',"params":{"a":2}'),
  );
  assert.equal(editRequest(request(',"params":{"_meta":{"v":1}}'), { meta }), request(',"params":{}'));
  assert.equal(editRequest(request(''), { meta }), request(''));
  assert.equal(
    editRequest(request(''), { meta: [['v', '1']] }),
    '{"params":{"_meta":{"v":1}},"jsonrpc":"2.0","id":1,"method":"m"}',
  );
});

test('a request with a key twice is not edited, wherever it stands', () => {
  const bad = [
    '{"id":1,"id":2,"method":"m","params":{}}',
    '{"id":1,"method":"m","params":{"name":"a","name":"b"}}',
    '{"id":1,"method":"m","params":{"_meta":{"a":1,"a":2}}}',
    '{"id":1,"method":"m","params":{"_meta":"no object"}}',
  ];
  for (const text of bad) {
    assert.equal(editRequest(text, { params: [['x', '1']], meta: [['y', '1']] }), undefined, text);
  }
});
