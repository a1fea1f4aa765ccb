import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { FakeLink, fakeServer, type Respond, request } from '../../test/support/fakes.ts';
import { parseMessage, resultText } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { call, DownstreamAnswerError, ownNotification, ownRefusal, ownRequest } from './call.ts';
import type { AnswerSink } from './port.ts';

const DEADLINES = { idleMs: 1000, totalMs: 1000 };

function ask(respond: Respond, signal = new AbortController().signal) {
  const link = new FakeLink(fakeServer('s'), respond);
  return { link, answer: call(link, request('tools/list', {}), DEADLINES, signal) };
}

const ofId = (id: string | number) => resultText(id, '{"tools":[]}');

test('an answer arrives with its text, whether whole or in pieces', async () => {
  const text = ofId(1);
  const forms: Respond[] = [
    () => text,
    (_request, sink) => {
      sink.openStream();
      sink.answer(Buffer.from(text));
      return undefined;
    },
    (_request, sink) => {
      sink.begin(text.length);
      for (const byte of Buffer.from(text)) sink.data(Buffer.from([byte]));
      sink.end();
      return undefined;
    },
  ];
  for (const respond of forms) {
    const answer = await ask(respond).answer;
    assert.deepEqual([answer.text, answer.result], [text, { tools: [] }]);
  }
});

test('an error of the server keeps its code and message', async () => {
  const answers: readonly (readonly [string, number, RegExp])[] = [
    ['{"code":-32601,"message":"no such method"}', -32601, /^no such method$/],
    ['{"code":"x"}', -32603, /without a message/],
    ['null', -32603, /without a message/],
    ['"text"', -32603, /without a message/],
    ['{"__proto__":{"code":1,"message":"x"}}', -32603, /without a message/],
  ];
  for (const [error, code, message] of answers) {
    await assert.rejects(ask(() => `{"jsonrpc":"2.0","id":1,"error":${error}}`).answer, (thrown) => {
      assert.ok(thrown instanceof DownstreamAnswerError);
      assert.equal(thrown.code, code);
      assert.match(thrown.message, message);
      return true;
    });
  }
});

test('what is no response is a fault of the server', async () => {
  const faults = [
    '',
    '{',
    '[]',
    '{"jsonrpc":"2.0","id":1,"result":{},"result":{}}',
    '{"jsonrpc":"2.0","method":"a"}',
  ];
  for (const text of faults) {
    const fault = { code: Code.DownstreamProtocol, message: /^Server "s"/ };
    await assert.rejects(ask(() => text).answer, fault, text);
  }
});

test('what the server asks meanwhile is refused, what it tells is let pass', async () => {
  const { link, answer } = ask((_request, sink) => {
    const say = (text: string) => sink.message(text, parseMessage(text, 64));
    assert.equal(say('{"jsonrpc":"2.0","id":"q","method":"roots/list"}'), true);
    assert.equal(say('{"jsonrpc":"2.0","method":"notifications/message","params":{}}'), true);
    return ofId(1);
  });
  await answer;
  assert.deepEqual(
    link.sent.map((message) => message.kind === 'response' && [message.id, message.error]),
    [['q', { code: -32601, message: 'No client is connected that could answer' }]],
  );
});

test('an abort cancels the request, before it or under way', async () => {
  const abort = new AbortController();
  const { link, answer } = ask(() => undefined, abort.signal);
  abort.abort();
  await assert.rejects(answer, { code: Code.Cancelled });
  assert.equal(link.cancelled.length, 1);
  const late = ask(() => ofId(1), abort.signal);
  await assert.rejects(late.answer, { code: Code.Cancelled });
});

test('no listener stays on the signal, however the call ends', async () => {
  const { signal } = new AbortController();
  await ask(() => ofId(1), signal).answer;
  await ask((_request, sink) => {
    sink.fail(new GatewayError(Code.DownstreamTimeout, 'late'));
    return undefined;
  }, signal).answer.catch(() => {});
  const atOnce = {
    server: { name: 's' },
    request: (_request: unknown, sink: AnswerSink) => {
      sink.answer(ofId(1));
      return () => {};
    },
    send: () => {},
  };
  await call(atOnce, request('tools/list'), DEADLINES, signal);
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('the gateway’s own messages are what they say', () => {
  const first = ownRequest('ping');
  const second = ownRequest('tools/list', { cursor: '' });
  assert.notEqual(first.id, second.id);
  assert.deepEqual([second.method, second.params], ['tools/list', { cursor: '' }]);
  assert.equal(ownNotification('notifications/initialized').kind, 'notification');
  const refusal = ownRefusal('x', 'no');
  assert.ok(refusal.kind === 'response');
  assert.deepEqual([refusal.id, refusal.error], ['x', { code: -32601, message: 'no' }]);
});
