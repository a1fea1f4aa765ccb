import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecordingSink } from '../../test/support/fakes.ts';
import { parseMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { RewriteSink } from './rewrite-sink.ts';

function start(rewrite: (text: string) => string = (text) => text.toUpperCase()) {
  const client = new RecordingSink();
  return { client, sink: new RewriteSink(client, rewrite) };
}

test('an answer is changed, whole or in pieces', () => {
  for (const feed of [
    (sink: RewriteSink) => sink.answer('aé'),
    (sink: RewriteSink) => sink.answer(Buffer.from('aé')),
    (sink: RewriteSink) => {
      sink.begin();
      for (const byte of Buffer.from('aé')) assert.equal(sink.data(Buffer.from([byte])), true);
      sink.end();
    },
  ]) {
    const { client, sink } = start();
    feed(sink);
    assert.deepEqual([client.calls, client.answers], [['answer'], ['AÉ']]);
  }
});

test('everything else is passed on as it is', () => {
  const { client, sink } = start();
  const text = '{"jsonrpc":"2.0","method":"a"}';
  sink.openStream();
  sink.message(text, parseMessage(text, 8));
  const error = new GatewayError(Code.DownstreamTimeout, 'late');
  sink.fail(error);
  assert.deepEqual(
    [client.calls, client.messages, client.failures],
    [['openStream', 'message', 'fail'], [text], [error]],
  );
  const drained = () => {};
  sink.drained = drained;
  assert.deepEqual([client.drained, sink.drained], [drained, drained]);
});

test('an answer that cannot be changed is a failure, not an exception in the server’s connection', () => {
  for (const feed of [
    (sink: RewriteSink) => sink.answer('x'),
    (sink: RewriteSink) => {
      sink.begin();
      sink.data(Buffer.from('x'));
      sink.end();
    },
  ]) {
    const { client, sink } = start(() => {
      throw new SyntaxError('Unexpected token');
    });
    feed(sink);
    assert.deepEqual(client.calls, ['fail']);
    assert.equal(client.failures[0]?.code, Code.DownstreamProtocol);
  }
});
