import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { RecordingSink, request } from '../../test/support/fakes.ts';
import { virtualTimers } from '../../test/support/virtual-timers.ts';
import { parseMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { MetaKey } from '../protocol/modern/keys.ts';
import { LISTEN } from '../protocol/modern/subscriptions.ts';
import type { Channel } from './channel.ts';
import { discover } from './channel-handshake.ts';
import { Multiplexer } from './multiplexer.ts';
import type { Share } from './stdio-pending.ts';

const DEADLINES = { idleMs: 1000, totalMs: 10_000 };
const LOGS = { [MetaKey.LogLevel]: 'info' };
const RESOURCE = { resourceSubscriptions: ['r://1'] };
const LISTS = { toolsListChanged: true };

interface Sent {
  readonly id: number;
  readonly method: string;
  readonly params?: Record<string, unknown>;
}

/** A pipe to a server of the modern era that has said what it is, and says afterwards what the test makes it say. */
async function connected(t: TestContext) {
  virtualTimers(t);
  const multiplexer = new Multiplexer('files', () => {});
  const share: Share = { listener: { message: () => assert.fail('not asked for'), restarted: () => {} } };
  const sent: Sent[] = [];
  let paused = 0;
  let starts = 0;
  const connect = async () => {
    const channel: Channel = {
      write: (text) => {
        const message = JSON.parse(text);
        sent.push(message);
        const result = { supportedVersions: ['2026-07-28'], capabilities: {}, resultType: 'complete' };
        if (message.method === 'server/discover') queueMicrotask(() => say({ id: message.id, result }));
      },
      writeFirst: async (text) => channel.write(text),
      pause: () => {
        paused++;
      },
      resume: () => {
        paused = 0;
      },
    };
    const say = (message: Record<string, unknown>) =>
      multiplexer.receive(channel, parseMessage(JSON.stringify({ jsonrpc: '2.0', ...message }), 99));
    const found = await discover(multiplexer.open(channel), { name: 'gateway', version: '1' }, DEADLINES);
    assert.equal(found?.version, '2026-07-28');
    return say;
  };
  const say = await connect();
  multiplexer.add(share);
  return {
    multiplexer,
    sent,
    say,
    notify: (method: string, params: Record<string, unknown>) => say({ method, params }),
    connect,
    starts: () => starts,
    isPaused: () => paused > 0,
    /** Returns what came of it, and its number at the server. */
    call: (params: Record<string, unknown>, id: string | number = 1, method = 'tools/call') => {
      const sink = new RecordingSink();
      const cancel = multiplexer.request(share, request(method, params, id), sink, DEADLINES, async () => {
        starts++;
      });
      return { sink, cancel, number: sent.at(-1)?.id };
    },
  };
}

const heard = ({ messages }: RecordingSink) => messages.map((text) => JSON.parse(text).params);

test('news go to the subscription that they name, under its own id', async (t) => {
  const { call, notify } = await connected(t);
  const [one, other] = [
    call({ notifications: RESOURCE }, 'mine', LISTEN),
    call({ notifications: LISTS }, 'other', LISTEN),
  ];
  const updated = { uri: 'r://1', _meta: { [MetaKey.SubscriptionId]: one.number } };
  notify('notifications/resources/updated', updated);
  notify('notifications/resources/updated', { uri: 'r://1' });
  notify('notifications/resources/updated', { uri: 'r://1', _meta: { [MetaKey.SubscriptionId]: 'mine' } });
  assert.deepEqual(heard(one.sink), [{ uri: 'r://1', _meta: { [MetaKey.SubscriptionId]: 'mine' } }]);
  assert.deepEqual(heard(other.sink), []);
});

test('log messages go to the one request that asked for them, and to nobody where several did', async (t) => {
  const { call, notify } = await connected(t);
  const silent = call({ name: 'a' });
  const asking = call({ name: 'b', _meta: LOGS });
  notify('notifications/message', { level: 'info', data: 1 });
  const second = call({ name: 'c', _meta: LOGS });
  notify('notifications/message', { level: 'info', data: 2 });
  assert.deepEqual(heard(asking.sink), [{ level: 'info', data: 1 }]);
  assert.deepEqual([...heard(silent.sink), ...heard(second.sink)], []);
});

test('a server that sends requests is not answered', async (t) => {
  const { call, say, sent } = await connected(t);
  const { sink } = call({ name: 'a' });
  const before = sent.length;
  say({ id: 5, method: 'ping' });
  say({ id: 6, method: 'roots/list' });
  assert.equal(sent.length, before);
  assert.deepEqual(heard(sink), []);
});

test('a client that reads slowly slows the server down only while nobody else has asked for anything', async (t) => {
  const { call, notify, isPaused } = await connected(t);
  call({ notifications: RESOURCE }, 'news', LISTEN);
  const slow = call({ name: 'a', _meta: { progressToken: 'mine' } });
  slow.sink.message = () => false;
  const progress = () => notify('notifications/progress', { progressToken: slow.number, progress: 1 });
  progress();
  assert.ok(isPaused());
  call({ name: 'b' }, 2);
  assert.ok(!isPaused());
  progress();
  assert.ok(!isPaused());
});

test('whoever listens keeps nothing busy, and is sent to the next process', async (t) => {
  const { multiplexer, call, connect, sent, starts } = await connected(t);
  const listening = call({ notifications: LISTS }, 'lists', LISTEN);
  assert.ok(multiplexer.isIdle);
  assert.ok(!multiplexer.hasSubscriptions);
  multiplexer.rested();
  // Lists of a server at rest do not change: nobody starts it for them.
  call({ notifications: LISTS }, 'late', LISTEN);
  assert.equal(starts(), 0);
  const before = sent.length;
  await connect();
  const again = sent.slice(before).filter(({ method }) => method === LISTEN);
  assert.equal(again.length, 2);
  assert.equal(again[0]!.id, listening.number);
  assert.deepEqual(listening.sink.failures, []);

  call({ notifications: RESOURCE }, 'resource', LISTEN);
  assert.ok(multiplexer.isIdle);
  assert.ok(multiplexer.hasSubscriptions);
});

test('a request is cancelled by its number, and one that was not sent is not spoken of', async (t) => {
  const { multiplexer, call, sent } = await connected(t);
  const { cancel, number } = call({ name: 'a' }, 'mine');
  const reason = new GatewayError(Code.Cancelled, 'enough');
  cancel(reason);
  assert.deepEqual(
    [sent.at(-1)!.method, sent.at(-1)!.params],
    ['notifications/cancelled', { requestId: number, reason: 'enough' }],
  );
  multiplexer.rested();
  const before = sent.length;
  call({ notifications: LISTS }, 'late', LISTEN).cancel(reason);
  assert.equal(sent.length, before);
});

test('a subscription that the server ends has failed, and may be opened again', async (t) => {
  const { call, notify } = await connected(t);
  const { sink, number } = call({ notifications: LISTS }, 'lists', LISTEN);
  const other = call({ name: 'a' });
  notify('notifications/cancelled', { requestId: other.number });
  assert.deepEqual(other.sink.failures, []);
  notify('notifications/cancelled', { requestId: number });
  assert.match(sink.failures[0]!.message, /ended the subscription/);
});
