import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { anyCharacter } from '../../../test/support/json-text.ts';
import { parseMessage, type RequestMessage } from '../envelope.ts';
import { Code, GatewayError } from '../errors.ts';
import { checkStandardHeaders, headerOf, nameIn, standardHeaders } from './headers.ts';

function request(method: string, params?: unknown): RequestMessage {
  const message = parseMessage(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }), 64);
  assert.ok(message.kind === 'request');
  return message;
}

const call = request('tools/call', { name: 'get_weather', arguments: {} });

function refused(message: RequestMessage, headers: Record<string, string | string[]>, pattern: RegExp): void {
  assert.throws(
    () => checkStandardHeaders(headers, message),
    (error) =>
      error instanceof GatewayError && error.code === Code.HeaderMismatch && pattern.test(error.message),
  );
}

test('headers that say what the body says pass, with white space around them', () => {
  checkStandardHeaders({ 'mcp-method': 'tools/call', 'mcp-name': 'get_weather' }, call);
  checkStandardHeaders({ 'mcp-method': ' tools/call\t', 'mcp-name': '  get_weather  ' }, call);
  checkStandardHeaders({ 'mcp-method': 'tools/call', 'mcp-name': '=?base64?Z2V0X3dlYXRoZXI=?=' }, call);
  checkStandardHeaders({ 'mcp-method': 'tools/list' }, request('tools/list'));
  checkStandardHeaders({ 'mcp-method': 'unknown/method' }, request('unknown/method'));
});

test('a header that is missing, differs or is malformed is refused by its name', () => {
  refused(call, {}, /Mcp-Method header is missing/);
  refused(call, { 'mcp-method': 'TOOLS/CALL', 'mcp-name': 'get_weather' }, /Mcp-Method says "TOOLS\/CALL"/);
  refused(call, { 'mcp-method': 'tools/call' }, /Mcp-Name header is missing/);
  refused(call, { 'mcp-method': 'tools/call', 'mcp-name': 'wrong' }, /says "wrong", the body "get_weather"/);
  refused(call, { 'mcp-method': 'tools/call', 'mcp-name': 'Get_Weather' }, /Mcp-Name/);
  refused(call, { 'mcp-method': 'tools/call', 'mcp-name': '=?base64?Z2V0X3dlYXRoZXI?=' }, /not written/);
  refused(call, { 'mcp-method': 'tools/call', 'mcp-name': 'caf\u00e9' }, /not written/);
});

test('a header that stands twice is refused, as Node joins it and as a list', () => {
  refused(call, { 'mcp-method': 'tools/call', 'mcp-name': 'get_weather, get_weather' }, /Mcp-Name/);
  refused(call, { 'mcp-method': ['tools/call', 'tools/call'], 'mcp-name': 'get_weather' }, /Mcp-Method/);
});

test('each method has its own member for the name', () => {
  const rows: readonly (readonly [string, object, string | undefined])[] = [
    ['tools/call', { name: 'a', uri: 'b' }, 'a'],
    ['prompts/get', { name: 'a' }, 'a'],
    ['resources/read', { uri: 'file:///x', name: 'a' }, 'file:///x'],
    ['tasks/get', { taskId: 't' }, 't'],
    ['tasks/update', { taskId: 't' }, 't'],
    ['tasks/cancel', { taskId: 't' }, 't'],
    ['tools/list', { name: 'a' }, undefined],
    ['completion/complete', { name: 'a' }, undefined],
    ['constructor', { name: 'a' }, undefined],
    ['tools/call', { name: 7 }, undefined],
    ['tools/call', {}, undefined],
  ];
  for (const [method, params, name] of rows)
    assert.equal(nameIn(method, request(method, params).params), name);
});

test('a body without the name is for its reader to refuse', () => {
  checkStandardHeaders({ 'mcp-method': 'tools/call' }, request('tools/call', { arguments: {} }));
});

test('the headers made for a server are those that a server checks, whatever the name', () => {
  fc.assert(
    fc.property(fc.string({ unit: anyCharacter, maxLength: 30 }), (name) => {
      const flat = standardHeaders('2026-07-28', 'tools/call', name);
      const headers = Object.fromEntries(
        flat.flatMap((each, index) => (index % 2 === 0 ? [[each, flat[index + 1]!]] : [])),
      );
      assert.equal(headers['mcp-protocol-version'], '2026-07-28');
      checkStandardHeaders(headers, request('tools/call', { name }));
    }),
  );
  assert.deepEqual(standardHeaders('v', 'tools/list', undefined), [
    'mcp-protocol-version',
    'v',
    'mcp-method',
    'tools/list',
  ]);
});

test('messages show no more of a value than a person wants to read', () => {
  const long = 'x'.repeat(10_000);
  assert.throws(
    () => checkStandardHeaders({ 'mcp-method': 'tools/call', 'mcp-name': long }, call),
    (error) => error instanceof Error && error.message.length < 300,
  );
  assert.equal(headerOf({ a: undefined }, 'a'), undefined);
});
