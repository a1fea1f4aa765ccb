import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deserialize, serialize } from 'node:v8';
import { Code, GatewayError } from '../protocol/errors.ts';
import { fromFailure, toFailure } from './failure.ts';

const travel = (thrown: unknown) => fromFailure(deserialize(serialize(toFailure(thrown))));

test('an error arrives with all that its receiver may know', () => {
  const sent = new GatewayError(Code.InvalidArgument, 'Two are wrong', {
    fields: [{ field: 'name', description: 'expected a name' }],
    data: { nested: [1, null] },
    retryAfter: 3,
  });
  const received = travel(sent);
  assert.ok(received instanceof GatewayError);
  assert.deepEqual({ ...received }, { ...sent });
  assert.equal(received.message, sent.message);
});

test('what caused it stays, and so does what was not meant for callers', () => {
  const cause = new Error('password=s3cret');
  for (const thrown of [new GatewayError(Code.Unavailable, 'Away', { cause }), cause]) {
    const failure = toFailure(thrown);
    assert.doesNotMatch(serialize(failure).toString('latin1'), /s3cret/);
    assert.equal(travel(thrown).cause, undefined);
  }
  assert.equal(travel(cause).code, Code.Internal);
  assert.equal(travel(cause).message, 'Internal error');
});
