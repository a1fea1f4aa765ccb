import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMessage } from '../envelope.ts';
import { Code, GatewayError } from '../errors.ts';
import { answerStatus, isModernErrorCode, modernError, modernErrorText } from './wire-error.ts';

test('no error is sent under a code that the era forbids, and each is an error over HTTP', () => {
  for (const code of Object.values(Code)) {
    const { status, rpcCode } = modernError(new GatewayError(code, 'x'));
    assert.ok(status >= 400 && status <= 599, code);
    const isStandard = rpcCode === -32700 || (rpcCode <= -32600 && rpcCode >= -32603);
    assert.ok(isStandard || isModernErrorCode(rpcCode), `${code}: ${rpcCode}`);
  }
});

test('what the era defines has its code and status', () => {
  const rows: readonly (readonly [Code, number, number])[] = [
    [Code.HeaderMismatch, 400, -32020],
    [Code.MissingCapability, 400, -32021],
    [Code.UnsupportedVersion, 400, -32022],
    [Code.MethodNotFound, 404, -32601],
    [Code.InvalidParams, 400, -32602],
    [Code.ResourceNotFound, 400, -32602],
    [Code.Forbidden, 403, -32600],
  ];
  for (const [code, status, rpcCode] of rows) {
    assert.deepEqual(modernError(new GatewayError(code, 'x')), { status, rpcCode });
  }
});

test("a request's own error leaves with the status that the era asks for, or like an answer", () => {
  for (const code of [-32020, -32021, -32022]) assert.equal(answerStatus(code), 400);
  assert.equal(answerStatus(-32601), 404);
  for (const code of [-32602, -32603, -32002, -32019, -32023, -1, 7]) assert.equal(answerStatus(code), 200);
});

test('an error says what, to whom, and where MCP has no code for it, which', () => {
  const text = (code: Code, id: string | number | null, data?: unknown) =>
    JSON.parse(modernErrorText(new GatewayError(code, 'm', { data }), id));
  assert.deepEqual(text(Code.DownstreamTimeout, 7), {
    jsonrpc: '2.0',
    id: 7,
    error: { code: -32603, message: 'm', data: { reason: 'downstream_timeout' } },
  });
  assert.deepEqual(text(Code.ResourceNotFound, 'a', { uri: 'x:y' }).error, {
    code: -32602,
    message: 'm',
    data: { uri: 'x:y' },
  });
  assert.deepEqual(text(Code.Internal, 0), { jsonrpc: '2.0', id: 0, error: { code: -32603, message: 'm' } });
  assert.ok(!('id' in text(Code.ParseError, null)));
});

test('what never became a request is still answered under the id that it named', () => {
  try {
    parseMessage('{"jsonrpc":"1.0","id":"x","method":"m"}', 8);
    assert.fail();
  } catch (error) {
    assert.equal(JSON.parse(modernErrorText(GatewayError.from(error), null)).id, 'x');
  }
});
