import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { someString } from '../../test/support/json-text.ts';
import { decodeHomeId, encodeHomeId } from './home-id.ts';

const serverId = fc.oneof(fc.uuid(), fc.stringMatching(/^[A-Za-z0-9_#-]{1,64}$/));
const id = fc.oneof(fc.maxSafeInteger(), someString);

test('an id comes home as it went out', () => {
  fc.assert(
    fc.property(serverId, id, (server, own) => {
      assert.deepEqual(decodeHomeId(encodeHomeId(server, own)), { serverId: server, id: own });
    }),
  );
});

test('two requests never share an id: servers, numbers and strings that look like numbers', () => {
  fc.assert(
    fc.property(serverId, id, serverId, id, (server, own, otherServer, otherOwn) => {
      const same = server === otherServer && own === otherOwn;
      assert.equal(encodeHomeId(server, own) === encodeHomeId(otherServer, otherOwn), same);
    }),
  );
  assert.notEqual(encodeHomeId('s', 1), encodeHomeId('s', '1'));
});

test('what is not one of ours leads nowhere', () => {
  const foreign = [
    1,
    0,
    '',
    'a',
    ':1',
    's:',
    's:x',
    's:null',
    's:{}',
    's:[1]',
    's:true',
    's:"a',
    's:1e400',
    's:0.5',
  ];
  for (const value of foreign) assert.equal(decodeHomeId(value), undefined, String(value));
});

test('one request has one id: other spellings of it lead nowhere', () => {
  for (const value of ['s: 1', 's:1 ', 's:1.0', 's:1e0', 's:-0', 's:"\\u0061"', 's:9007199254740993']) {
    assert.equal(decodeHomeId(value), undefined, value);
  }
  fc.assert(
    fc.property(someString, (value) => {
      const decoded = decodeHomeId(`s:${value}`);
      if (decoded !== undefined) assert.equal(encodeHomeId(decoded.serverId, decoded.id), `s:${value}`);
    }),
  );
});
