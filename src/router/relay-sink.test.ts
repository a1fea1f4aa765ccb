import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeServer, RecordingSink } from '../../test/support/fakes.ts';
import { ConnectionLost } from '../downstream/connection-lost.ts';
import { type Message, notificationText, parseMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { FRESH } from '../session/session.ts';
import type { Conversation } from './conversation.ts';
import { type RelayOwner, RelaySink } from './relay-sink.ts';
import { RisingProgress } from './rising-progress.ts';
import { decodeStreamPosition } from './stream-position.ts';

const SESSION = { id: 's1', state: { ...FRESH, streamKey: 'key' } };

function start(
  toClient: (message: Message) => string | undefined = ({ text }) => text,
  options: Partial<RelayOwner> = {},
) {
  const client = new RecordingSink();
  const ends: unknown[] = [];
  const conversation: Pick<Conversation, 'toClient'> & { session: unknown } = {
    toClient: (_server, message) => toClient(message),
    session: SESSION,
  };
  const sink = new RelaySink(client, {
    conversation: conversation as unknown as Conversation,
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

const progress = (value: unknown) =>
  message(notificationText('notifications/progress', { progressToken: 't', progress: value }));

test('where other nodes can go on, messages say where the answer stands: at the server, and in its progress', () => {
  const told: (string | undefined)[] = [];
  const { client, sink } = start(undefined, { isShared: true, progress: new RisingProgress() });
  client.message = (_text: string, _message?: unknown, position?: string) => {
    told.push(position);
    return true;
  };
  const moved: string[] = [];
  Object.assign(client, { moveTo: (position: string) => moved.push(position) });
  sink.message('', message('{"jsonrpc":"2.0","method":"a"}'));
  sink.moveTo('x.0');
  sink.message('', progress(1), 'x.1');
  sink.message('', message('{"jsonrpc":"2.0","method":"a"}'), 'x.2');
  sink.message('', progress(2));
  assert.deepEqual(
    [...told, ...moved].map((text) => (text === undefined ? undefined : decodeStreamPosition(SESSION, text))),
    [
      undefined,
      { serverId: 's', at: 'x.1', progress: 1 },
      { serverId: 's', at: 'x.2', progress: 1 },
      { serverId: 's', at: undefined, progress: 2 },
      { serverId: 's', at: 'x.0', progress: undefined },
    ],
  );
});

test('a gateway that is one node says nothing of that', () => {
  const told: unknown[] = [];
  const { client, sink } = start(undefined, { progress: new RisingProgress() });
  client.message = (_text: string, _message?: unknown, position?: string) => told.push(position) > 0;
  sink.message('', progress(1), 'x.1');
  sink.moveTo('x.2');
  assert.deepEqual(told, [undefined]);
});

test('what is lost before an answer has begun may be gone on with; after that it is the end', () => {
  const asked: string[] = [];
  const { client, sink, ends } = start(undefined, {
    again: (error) => asked.push(error.message) === 1,
  });
  sink.fail(new ConnectionLost(Code.DownstreamUnavailable, 'first'));
  assert.deepEqual([asked, client.failures, ends], [['first'], [], []]);
  sink.fail(new ConnectionLost(Code.DownstreamUnavailable, 'second'));
  assert.deepEqual(
    client.failures.map(({ message }) => message),
    ['second; the outcome of the call is unknown'],
  );
  const begun = start(undefined, { again: () => assert.fail('asked') });
  begun.sink.begin(undefined);
  begun.sink.fail(new ConnectionLost(Code.DownstreamUnavailable, 'gone; its outcome is unknown'));
  assert.deepEqual(
    begun.client.failures.map(({ message }) => message),
    ['gone; its outcome is unknown'],
  );
});
