import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvalidMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { errorResponse, wireError } from './error-response.ts';

test('every code has a status of an error, and a JSON-RPC code that a gateway may send', () => {
  for (const code of Object.values(Code)) {
    const { status, rpcCode } = wireError(new GatewayError(code, 'x'));
    assert.ok(status >= 400 && status < 600, code);
    const isStandard = rpcCode === -32700 || (rpcCode <= -32600 && rpcCode >= -32603);
    // Codes from -32020 to -32099 are MCP's own to define, and -32042 asks a client for something.
    const isOurs = rpcCode <= -32000 && rpcCode > -32020;
    const asks = code === Code.ElicitationRequired && rpcCode === -32042;
    assert.ok(isStandard || isOurs || asks, `${code} is ${rpcCode}`);
  }
});

test('the codes that the specifications fix', () => {
  const fixed = [
    [Code.ParseError, 400, -32700],
    [Code.InvalidRequest, 400, -32600],
    [Code.InvalidParams, 400, -32602],
    [Code.ResourceNotFound, 404, -32002],
    [Code.Internal, 500, -32603],
  ] as const;
  for (const [code, status, rpcCode] of fixed)
    assert.deepEqual(wireError(new GatewayError(code, '')), { status, rpcCode });
  assert.equal(wireError(new GatewayError(Code.MethodNotFound, '')).rpcCode, -32601);
  const statuses = [
    [Code.SessionNotFound, 404],
    [Code.SessionRequired, 400],
    [Code.UnsupportedVersion, 400],
    [Code.Forbidden, 403],
    [Code.Unavailable, 503],
  ] as const;
  for (const [code, status] of statuses)
    assert.equal(wireError(new GatewayError(code, '')).status, status, code);
});

test('an error answers the request that it is about, with its message and data and nothing else of it', () => {
  const error = new GatewayError(Code.ResourceNotFound, 'Resource not found', {
    data: { uri: 'u:1' },
    cause: new Error('secret'),
    retryAfter: 3,
    fields: [{ field: 'secret', description: 'secret' }],
  });
  assert.deepEqual(JSON.parse(errorResponse(error, 'a')), {
    jsonrpc: '2.0',
    id: 'a',
    error: { code: -32002, message: 'Resource not found', data: { uri: 'u:1' } },
  });
  const unknown = errorResponse(GatewayError.from(new Error('secret')), 1);
  assert.ok(!unknown.includes('secret'), unknown);
});

test('what never became a request is answered under the id it named, or null', () => {
  const idOf = (text: string) => JSON.parse(text).id;
  assert.equal(idOf(errorResponse(new InvalidMessage('x', 7), null)), 7);
  assert.equal(idOf(errorResponse(new InvalidMessage('x', null), null)), null);
  assert.equal(idOf(errorResponse(new GatewayError(Code.ParseError, 'x'), null)), null);
  // A message within a request that is no message: it is the request that waits for an answer.
  assert.equal(idOf(errorResponse(new InvalidMessage('x', null), 'a')), 'a');
});
