import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeRecord } from '../../test/support/fakes.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { type Dispatch, NO_CONTROLLER } from './http-client.ts';
import { downstreamServer } from './port.ts';
import { SseLink } from './sse-link.ts';

const STREAM = 'http://one.example/sse';

/** Opens a link to a server that names this address to post to. Resolves with what has been sent, and what came of it. */
async function opened(address: string) {
  const sent: string[] = [];
  const client: Dispatch = {
    maxMessageBytes: 1000,
    dispatch({ origin, path }, method, headers, _body, handler) {
      sent.push(`${method} ${origin}${path} ${headers.includes('the-secret')}`);
      queueMicrotask(() => {
        // Whatever is posted is not answered: it is known then where it went.
        if (method === 'POST') return handler.onResponseError?.(NO_CONTROLLER, new Error('enough'));
        handler.onRequestStart?.(NO_CONTROLLER, undefined);
        handler.onResponseStart?.(NO_CONTROLLER, 200, { 'content-type': 'text/event-stream' }, 'OK');
        handler.onResponseData?.(NO_CONTROLLER, Buffer.from(`event: endpoint\ndata: ${address}\n\n`));
      });
    },
  };
  const target = { kind: 'http', url: STREAM, headers: { 'x-key': 'the-secret' } } as const;
  const failure = await SseLink.open(downstreamServer(fakeRecord('one', { target })), target, {
    client,
    identity: { name: 'x', version: '1' },
    clientCapabilities: {},
    handshakeDeadlines: { idleMs: 60_000, totalMs: 60_000 },
    listener: { message: () => {}, restarted: () => {} },
    signal: AbortSignal.abort(),
  }).catch((error: unknown) => error);
  assert.ok(failure instanceof GatewayError, String(failure));
  return { sent, failure };
}

test('an address of another origin is not posted to', async () => {
  for (const address of [
    'http://two.example/messages',
    'https://one.example/messages',
    'http://one.example:8080/messages',
    '//two.example/messages',
    'http://one.example@two.example/messages',
    'http://',
  ]) {
    const { sent, failure } = await opened(address);
    assert.deepEqual(sent, [`GET ${STREAM} true`], address);
    assert.equal(failure.code, Code.DownstreamProtocol);
    assert.match(failure.message, /named an endpoint of another origin/, address);
  }
});
