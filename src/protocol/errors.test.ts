import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, GatewayError } from './errors.ts';

test('what is thrown unknown becomes an internal error that says nothing of it', () => {
  for (const thrown of [new Error('secret'), 'secret', undefined, null, { message: 'secret' }]) {
    const error = GatewayError.from(thrown);
    assert.equal(error.code, Code.Internal);
    assert.equal(error.message, 'Internal error');
    assert.equal(error.data, undefined);
    assert.equal(error.cause, thrown);
  }
});

test('a known error stays the very same', () => {
  const details = { cause: 1, data: { uri: 'x' }, retryAfter: 3, fields: [{ field: 'a', description: 'b' }] };
  const error = new GatewayError(Code.NotFound, 'no', details);
  assert.equal(GatewayError.from(error), error);
  assert.deepEqual(
    [error.code, error.message, error.cause, error.data, error.retryAfter, error.fields],
    [Code.NotFound, 'no', 1, details.data, 3, details.fields],
  );
  assert.equal('cause' in new GatewayError(Code.NotFound, 'no'), false);
});

test('codes are distinct', () => {
  assert.equal(new Set(Object.values(Code)).size, Object.keys(Code).length);
});
