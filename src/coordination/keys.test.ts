import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createKeys } from './keys.ts';

const keys = createKeys('p:');

/** What Redis Cluster hashes: between the first `{` and the next `}`, unless that is empty. */
function hashed(key: string): string {
  const start = key.indexOf('{');
  const end = key.indexOf('}', start + 1);
  return start === -1 || end <= start + 1 ? key : key.slice(start + 1, end);
}

test('keys are what the documentation says', () => {
  assert.equal(keys.session('abc'), 'p:session:{abc}');
  assert.equal(keys.events('abc'), 'p:events:{abc}');
  assert.equal(keys.calls('abc'), 'p:calls:{abc}');
  assert.equal(keys.sessionIndex, 'p:sessions:{index}');
  assert.equal(keys.lease('a/b:c'), 'p:lease:{a/b:c}');
  assert.equal(keys.fence('a/b:c'), 'p:fence:{a/b:c}');
  assert.equal(keys.catalog({ serverId: 'a', revision: 3, scope: 'x' }), 'p:catalog:{a}:3:x');
  assert.equal(keys.check('a'), 'p:check:{a}');
  assert.equal(keys.tokens('a'), 'p:tokens:{a}');
  assert.equal(keys.slots('a'), 'p:slots:{a}');
  assert.equal(keys.jobs, 'p:{jobs}');
  assert.equal(keys.eventLog, 'p:log:{events}');
  assert.equal(keys.node('n1'), 'p:node:{n1}');
  assert.equal(keys.everyone, 'p:everyone');
  assert.equal(keys.members, 'p:members:{nodes}');
  assert.equal(keys.beats, 'p:beats:{nodes}');
});

test('keys that belong together are hashed alike, whatever the id is', () => {
  for (const id of ['abc', '', '}', '{', '{}', 'a}b', '{a}b', '%', '%7D', 'é', '\n']) {
    assert.equal(hashed(keys.session(id)), hashed(keys.events(id)), id);
    assert.equal(hashed(keys.session(id)), hashed(keys.calls(id)), id);
    assert.equal(hashed(keys.lease(id)), hashed(keys.fence(id)), id);
    assert.equal(hashed(keys.catalog({ serverId: id, revision: 1, scope: 'x' })), hashed(keys.check(id)), id);
  }
  assert.equal(hashed(keys.members), hashed(keys.beats));
});

test('different ids have different keys', () => {
  const ids = ['', '%', '%25', '{', '%7B', '}', '%7D', '{}', 'a'];
  assert.equal(new Set(ids.map(keys.session)).size, ids.length);
});
