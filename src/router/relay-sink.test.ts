import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeServer, RecordingSink } from '../../test/support/fakes.ts';
import { type Message, parseMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Conversation } from './conversation.ts';
import { type RelayOptions, RelaySink } from './relay-sink.ts';

function start(
  toClient: (message: Message) => string | undefined = ({ text }) => text,
  options: Partial<RelayOptions> = {},
) {
  const client = new RecordingSink();
  const ends: unknown[] = [];
  const conversation: Pick<Conversation, 'toClient'> = { toClient: (_server, message) => toClient(message) };
  const sink = new RelaySink(client, {
    conversation: conversation as Conversation,
    server: fakeServer('s'),
    onEnd: (outcome, error) => {
      ends.push(error === undefined ? outcome : [outcome, error.code]);
      // Whoever counts is done before the client can ask again.
      client.calls.push('ended');
    },
    ...options,
  });
  return { client, sink, ends };
}

const message = (text: string) => parseMessage(text, 64);

test('messages go to the client in its own terms, or not at all', () => {
  const { client, sink } = start((each) => (each.kind === 'request' ? `${each.id}!` : undefined));
  assert.equal(sink.message('', message('{"jsonrpc":"2.0","id":1,"method":"a"}')), true);
  assert.equal(sink.message('', message('{"jsonrpc":"2.0","method":"a"}')), true);
  assert.deepEqual(client.messages, ['1!']);
  client.message = () => false;
  assert.equal(sink.message('', message('{"jsonrpc":"2.0","id":1,"method":"a"}')), false);
});

test('bytes and signs of a slow reader pass untouched', () => {
  const { client, sink, ends } = start();
  const drained = () => {};
  sink.drained = drained;
  assert.equal(client.drained, drained);
  sink.openStream();
  sink.begin(3);
  client.data = () => false;
  assert.equal(sink.data(Buffer.from('abc')), false);
  sink.end();
  assert.deepEqual([client.calls, ends], [['openStream', 'begin', 'ended', 'end'], ['ok']]);
});

test('the outcome is read off an answer', () => {
  const outcomes = [
    ['{"jsonrpc":"2.0","id":1,"result":{"content":[]}}', 'ok'],
    ['{"result":{"content":[],"isError":false},"jsonrpc":"2.0","id":1}', 'ok'],
    ['{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":true}}', 'tool_error'],
    ['{"jsonrpc": "2.0", "id": 1, "result": {"content": [], "isError": true}}', 'tool_error'],
    ['{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}', 'error'],
    ['{"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "no"}}', 'error'],
    // Text that only speaks of an error.
    ['{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"\\"isError\\":true"}]}}', 'ok'],
    ['{"jsonrpc":"2.0","id":1,"result":{"error":{}}}', 'ok'],
  ] as const;
  for (const [text, outcome] of outcomes) {
    for (const body of [text, Buffer.from(text)]) {
      const { client, sink, ends } = start();
      sink.answer(body);
      assert.deepEqual([ends, client.answers, client.calls], [[outcome], [text], ['ended', 'answer']], text);
    }
  }
});

test('a failure is told with its error', () => {
  for (const [code, outcome] of [
    [Code.Cancelled, 'cancelled'],
    [Code.DownstreamTimeout, 'error'],
  ] as const) {
    const { client, sink, ends } = start();
    const error = new GatewayError(code, 'x');
    sink.fail(error);
    assert.deepEqual([ends, client.failures], [[[outcome, code]], [error]]);
  }
});
