import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMessage, type RequestMessage } from '../protocol/envelope.ts';
import { aboutRequest, requestLine } from './request-log.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

function request(params: Record<string, unknown>): RequestMessage {
  const text = JSON.stringify({ jsonrpc: '2.0', id: 'r1', method: 'tools/call', params });
  return parseMessage(text, 32) as RequestMessage;
}

test('a line says which request it is about, and in which trace', () => {
  const fields = { request: 'r1', session: 'mark', trace_id: TRACE };
  assert.deepEqual(aboutRequest(request({}), 'mark', TRACE), fields);
  assert.deepEqual(aboutRequest(request({}), undefined, undefined), { request: 'r1' });
});

test('the line of a call says what was called and how it ended, and nothing of what was asked', () => {
  const call = {
    message: request({ name: 'one__echo', arguments: { text: 'private' } }),
    principal: { tenantId: 'acme', userId: 'ada', roles: ['user'] },
    session: 'mark',
    subject: 'echo',
    server: 'one',
    outcome: 'ok',
    error: undefined,
    durationMs: 12.345,
    answerBytes: 99,
  } as const;
  assert.deepEqual(requestLine(call, { request: 'r1' }), {
    request: 'r1',
    method: 'tools/call',
    tool: 'echo',
    server: 'one',
    user: 'ada',
    tenant: 'acme',
    outcome: 'ok',
    ms: 12.3,
    answerBytes: 99,
  });
});
