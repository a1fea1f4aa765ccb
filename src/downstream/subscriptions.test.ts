import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Message, parseMessage, type RequestMessage } from '../protocol/envelope.ts';
import { Subscriptions } from './subscriptions.ts';

function request(method: string, params: unknown): RequestMessage {
  const message = parseMessage(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }), 16);
  assert.ok(message.kind === 'request');
  return message;
}

const subscribe = (uri: unknown) => request('resources/subscribe', { uri });
const unsubscribe = (uri: unknown) => request('resources/unsubscribe', { uri });
const updated = (uri: unknown): Message =>
  parseMessage(
    JSON.stringify({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri } }),
    16,
  );

test('the server sees the end of a subscription when the last has ended it', () => {
  const subscriptions = new Subscriptions<string>();
  assert.equal(subscriptions.note('a', subscribe('r')), false);
  assert.equal(subscriptions.note('b', subscribe('r')), false);
  assert.equal(subscriptions.note('a', unsubscribe('r')), true);
  assert.equal(subscriptions.note('b', unsubscribe('r')), false);
  assert.equal(subscriptions.isEmpty, true);
  assert.equal(
    subscriptions.note('b', unsubscribe('r')),
    false,
    'whether it had one is for the server to say',
  );
  assert.equal(subscriptions.note('b', unsubscribe(7)), false);
});

test('what counts is what the server sees', () => {
  const subscriptions = new Subscriptions<string>();
  subscriptions.note('a', { ...subscribe('r'), params: { uri: 'dragon://id/r' } });
  assert.equal(subscriptions.concerns('a', updated('r')), true);
  assert.deepEqual(subscriptions.remove('a'), ['r']);
});

test('a session that goes leaves what only it had', () => {
  const subscriptions = new Subscriptions<string>();
  for (const uri of ['r', 's']) subscriptions.note('a', subscribe(uri));
  subscriptions.note('b', subscribe('r'));
  assert.deepEqual(subscriptions.remove('a'), ['s']);
  assert.deepEqual(subscriptions.remove('a'), []);
  assert.deepEqual(subscriptions.remove('b'), ['r']);
  assert.equal(subscriptions.isEmpty, true);
});

test('an update is for those who asked', () => {
  const subscriptions = new Subscriptions<string>();
  subscriptions.note('a', subscribe('r'));
  subscriptions.note('b', subscribe('s'));
  const concerned = (message: Message) =>
    ['a', 'b', 'c'].filter((each) => subscriptions.concerns(each, message));
  assert.deepEqual(concerned(updated('r')), ['a']);
  assert.deepEqual(concerned(updated('r/part')), ['a', 'b']);
  assert.deepEqual(concerned(updated(undefined)), ['a', 'b']);
  const other = parseMessage('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}', 16);
  assert.deepEqual(concerned(other), ['a', 'b', 'c']);
  subscriptions.clear();
  assert.deepEqual(concerned(updated('r')), []);
});
