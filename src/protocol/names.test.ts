import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { anyCharacter } from '../../test/support/json-text.ts';
import { collisionName, MAX_NAME_LENGTH, publicName } from './names.ts';

const LEGAL = /^[A-Za-z0-9_-]{1,64}$/;
const anyName = fc.oneof(
  fc.string({ unit: anyCharacter, maxLength: 100 }),
  fc.string({ unit: fc.constantFrom('a', '_', '-', '.', '/', ' ', 'ä', '😀'), maxLength: 80 }),
);

test('a public name is legal, whatever a server calls its tools', () => {
  fc.assert(
    fc.property(anyName, anyName, anyName, (prefix, name, id) => {
      assert.match(publicName(prefix, name), LEGAL);
      assert.match(collisionName(publicName(prefix, name), id, name), LEGAL);
    }),
  );
});

test('a name that is legal already is only prefixed', () => {
  assert.equal(publicName('github', 'create_issue'), 'github__create_issue');
  assert.equal(publicName('', 'create-issue'), 'create-issue');
  const longest = 'n'.repeat(MAX_NAME_LENGTH);
  assert.equal(publicName('', longest), longest);
  assert.equal(publicName('p', 'n'.repeat(61)), `p__${'n'.repeat(61)}`);
});

test('a name that is altered or cut keeps its beginning and differs from every other', () => {
  assert.match(publicName('p', 'a.b'), /^p__a_b_[0-9a-f]{8}$/);
  assert.match(publicName('', ''), /^_[0-9a-f]{8}$/);
  const long = publicName('p', 'n'.repeat(62));
  assert.equal(long.length, MAX_NAME_LENGTH);
  assert.ok(long.startsWith('p__nnnn'));
  const altered = ['a.b', 'a/b', 'a b', 'a_b', 'a😀b', 'a..b', 'ä', 'ö', '😀', '🤖', 'a\0b'];
  altered.push('n'.repeat(70), `${'n'.repeat(70)}m`);
  assert.equal(new Set(altered.map((name) => publicName('p', name))).size, altered.length);
  assert.notEqual(publicName('a.', 'b'), publicName('a/', 'b'));
});

test('two tools of one server have two names', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 64 }), anyName, anyName, (prefix, a, b) => {
      assert.equal(publicName(prefix, a) === publicName(prefix, b), a === b);
    }),
    { numRuns: 500 },
  );
});

test('what two servers both claim is told apart by server and by tool', () => {
  const taken = publicName('a', 'b__c');
  assert.equal(taken, publicName('a__b', 'c'));
  const names = [
    taken,
    collisionName(taken, 's1', 'c'),
    collisionName(taken, 's2', 'c'),
    collisionName(taken, 's1', 'd'),
  ];
  assert.equal(new Set(names).size, 4);
  assert.equal(collisionName(taken, 's1', 'c'), collisionName(taken, 's1', 'c'));
});
