import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bearerChallenge } from './challenge.ts';

test('a challenge is read, wherever it stands and however it is written', () => {
  const read = {
    resourceMetadata: 'https://a.example/.well-known/x?y="z"',
    scopes: ['one', 'two'],
    error: 'invalid_token',
  };
  for (const text of [
    'Bearer resource_metadata="https://a.example/.well-known/x?y=\\"z\\"", scope="one two one", error="invalid_token"',
    'Basic realm="x", bearer  error = invalid_token,scope="one two",RESOURCE_METADATA="https://a.example/.well-known/x?y=\\"z\\""',
  ])
    assert.deepEqual(bearerChallenge(text), read, text);
  assert.deepEqual(bearerChallenge('Bearer'), {});
  for (const text of [undefined, '', 'Basic realm="Bearer x"', `Bearer scope="${'x'.repeat(9000)}"`])
    assert.equal(bearerChallenge(text), undefined, text?.slice(0, 30));
});
