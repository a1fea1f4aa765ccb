import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { RecordingSink, request } from '../../test/support/fakes.ts';
import { virtualTimers } from '../../test/support/virtual-timers.ts';
import { notificationText, parseMessage, resultText } from '../protocol/envelope.ts';
import { Code } from '../protocol/errors.ts';
import type { Channel } from './channel.ts';
import { initialize } from './channel-handshake.ts';
import { Multiplexer } from './multiplexer.ts';
import type { Share } from './stdio-pending.ts';

const DEADLINES = { idleMs: 100, totalMs: 1000 };

/** A sink of a client that has more unread than it should. */
class FullSink extends RecordingSink {
  override message(text: string): boolean {
    super.message(text);
    return false;
  }
}

const share = (): Share => ({ listener: { message: () => {}, restarted: () => {} } });

/** A server that has answered the handshake, and reports progress when the test says so. */
async function connected(t: TestContext) {
  const timers = virtualTimers(t);
  const multiplexer = new Multiplexer('files', () => {});
  let paused = 0;
  const sent: { id: number; method: string }[] = [];
  const channel: Channel = {
    write: (text) => {
      const message = JSON.parse(text);
      sent.push(message);
      if (message.method !== 'initialize') return;
      const result = JSON.stringify({ protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {} });
      queueMicrotask(() => multiplexer.receive(channel, parseMessage(resultText(message.id, result), 9)));
    },
    writeFirst: async (text) => channel.write(text),
    pause: () => {
      paused++;
    },
    resume: () => {
      paused = 0;
    },
  };
  const never = new AbortController().signal;
  await initialize(multiplexer.open(channel), { name: 'gateway', version: '1' }, {}, DEADLINES, never);
  return {
    timers,
    multiplexer,
    sent,
    isPaused: () => paused > 0,
    call: (owner: Share, sink: RecordingSink, id: number) => {
      const call = request('tools/call', { name: 'long', _meta: { progressToken: 'mine' } }, id);
      multiplexer.request(owner, call, sink, DEADLINES, async () => {});
      const progressToken = sent.at(-1)?.id;
      return () => {
        const progress = notificationText('notifications/progress', { progressToken, progress: 1 });
        multiplexer.receive(channel, parseMessage(progress, 9));
      };
    },
  };
}

test('a client that reads slowly slows its server down, until it has read', async (t) => {
  const { multiplexer, call, isPaused } = await connected(t);
  const only = share();
  multiplexer.add(only);
  const sink = new FullSink();
  const progress = call(only, sink, 1);
  progress();
  assert.ok(isPaused());
  assert.match(sink.messages[0] ?? '', /"progressToken":"mine"/);
  sink.drained?.();
  assert.ok(!isPaused());
});

test('nobody waits for somebody else who reads slowly', async (t) => {
  const { multiplexer, call, isPaused } = await connected(t);
  const slow = share();
  multiplexer.add(slow);
  const sink = new FullSink();
  const progress = call(slow, sink, 1);
  progress();
  assert.ok(isPaused());
  multiplexer.add(share());
  assert.ok(!isPaused(), 'whoever comes later does not wait either');
  progress();
  assert.ok(!isPaused());
  assert.equal(sink.messages.length, 2);
});

test('time in which the client does not read is not held against the server', async (t) => {
  const { multiplexer, call, timers, sent } = await connected(t);
  const only = share();
  multiplexer.add(only);
  const sink = new FullSink();
  call(only, sink, 1)();
  timers.pass(100);
  assert.deepEqual(
    sink.failures.map(({ code }) => code),
    [Code.Unavailable],
  );
  assert.equal(sent.at(-1)?.method, 'notifications/cancelled');

  const quick = new RecordingSink();
  call(only, quick, 2)();
  timers.pass(100);
  assert.deepEqual(
    quick.failures.map(({ code }) => code),
    [Code.DownstreamTimeout],
  );
});
