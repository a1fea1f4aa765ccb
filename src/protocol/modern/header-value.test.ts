import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { anyCharacter } from '../../../test/support/json-text.ts';
import { decodeHeaderValue, encodeHeaderValue } from './header-value.ts';

const FIELD_VALUE = /^[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?$/;

const tricky = fc.string({
  unit: fc.constantFrom('=?base64?', '?=', '=', '?', ' ', '\t', 'a', 'ü', '\r\n'),
  maxLength: 8,
});

test('any value comes back from the header it was put into, and the header is one that HTTP can carry', () => {
  const value = fc.oneof(fc.string(), fc.string({ unit: anyCharacter, maxLength: 40 }), tricky);
  fc.assert(
    fc.property(value, (text) => {
      const header = encodeHeaderValue(text);
      assert.match(header, FIELD_VALUE);
      assert.equal(decodeHeaderValue(header), text);
      assert.equal(decodeHeaderValue(` \t${header} `), text);
    }),
  );
});

test('values are encoded as the specification shows', () => {
  const table: Readonly<Record<string, string>> = {
    'us-west1': 'us-west1',
    'us west 1': 'us west 1',
    'a\tb': 'a\tb',
    'Hello, 世界': '=?base64?SGVsbG8sIOS4lueVjA==?=',
    ' padded ': '=?base64?IHBhZGRlZCA=?=',
    'line1\nline2': '=?base64?bGluZTEKbGluZTI=?=',
    '=?base64?literal?=': '=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=',
    '': '=?base64??=',
    '=?base64?=': '=?base64?PT9iYXNlNjQ/PQ==?=',
    'file:///projects/my%20app': 'file:///projects/my%20app',
  };
  for (const [value, header] of Object.entries(table)) assert.equal(encodeHeaderValue(value), header);
});

test('what has only one of the marks, or marks of another case, is itself', () => {
  for (const plain of [
    'SGVsbG8=',
    '=?base64?SGVsbG8=',
    'SGVsbG8=?=',
    '=?BASE64?SGVsbG8=?=',
    '=?base64SGVsbG8=?=',
  ]) {
    assert.equal(decodeHeaderValue(plain), plain);
  }
  assert.equal(decodeHeaderValue(''), '');
});

test('no value is read from what is not written as it should be', () => {
  const bad = [
    '=?base64?SGVsbG8?=',
    '=?base64?SGVs!!!bG8=?=',
    '=?base64?SGVsbG8=\n?=',
    '=?base64?SGVs bG8=?=',
    '=?base64?SGVsbG9=?=',
    '=?base64?SGVsbG8==?=',
    '=?base64?_-8=?=',
    '=?base64?/w==?=',
    '=?base64?7aCA?=',
    '=?base64?=',
    'caf\u00e9',
    'a\rb',
    'a\nb',
    'a\0b',
    'a\x7fb',
    '世界',
  ];
  for (const header of bad) assert.equal(decodeHeaderValue(header), undefined, JSON.stringify(header));
});

test('a header is read in one way only: no two spellings of base64 are one value', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: anyCharacter, minLength: 1, maxLength: 20 }),
      fc.nat(),
      fc.nat(),
      (text, at, which) => {
        const header = `=?base64?${Buffer.from(text).toString('base64')}?=`;
        const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=-_';
        const index = 9 + (at % (header.length - 11));
        const changed = header.slice(0, index) + alphabet[which % alphabet.length] + header.slice(index + 1);
        if (changed !== header) assert.notEqual(decodeHeaderValue(changed), text);
      },
    ),
  );
});
