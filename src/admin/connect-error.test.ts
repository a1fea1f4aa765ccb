import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code as ConnectCode, ConnectError } from '@connectrpc/connect';
import { BadRequestSchema } from '../gen/google/rpc/error_details_pb.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { toConnectError } from './connect-error.ts';

test('every code of the gateway has one of gRPC, and only Internal is internal', () => {
  for (const code of Object.values(Code)) {
    const error = toConnectError(new GatewayError(code, 'why'));
    assert.equal(ConnectCode[error.code] !== undefined, true, code);
    assert.equal(error.code === ConnectCode.Internal, code === Code.Internal, code);
    assert.equal(error.rawMessage, 'why');
  }
});

test('wrong fields are details, and the time to wait is metadata', () => {
  const error = toConnectError(
    new GatewayError(Code.InvalidArgument, 'wrong', {
      fields: [{ field: 'name', description: 'too long' }],
      retryAfter: 3,
    }),
  );
  const [detail] = error.findDetails(BadRequestSchema);
  assert.deepEqual(
    detail?.fieldViolations.map(({ field, description }) => [field, description]),
    [['name', 'too long']],
  );
  assert.equal(error.metadata.get('retry-after'), '3');
});

test('what is unknown tells nothing of itself', () => {
  const error = toConnectError(new TypeError('secret inner'));
  assert.equal(error.code, ConnectCode.Internal);
  assert.ok(!error.message.includes('secret'));
  assert.deepEqual(error.details, []);
});

test('a ConnectError stays as it is', () => {
  const error = new ConnectError('no', ConnectCode.Unauthenticated);
  assert.equal(toConnectError(error), error);
});
