import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { turns } from '../../test/support/fakes.ts';
import { virtualTimers } from '../../test/support/virtual-timers.ts';
import type { CallChanges, CallJournal } from '../coordination/call-journal.ts';
import { unavailable } from '../coordination/unavailable.ts';
import { type RunningCall, RunningCalls } from './running-calls.ts';

function start(t: TestContext) {
  let now = 1000;
  t.mock.method(performance, 'now', () => now);
  const timers = virtualTimers(t);
  const written: { readonly session: string; readonly ttlMs: number; readonly changes: CallChanges }[] = [];
  let write: () => Promise<void> = async () => {};
  const journal: Pick<CallJournal, 'write'> = {
    write: (session, changes, ttlMs) => {
      written.push({ session, ttlMs, changes });
      return write();
    },
  };
  const running = new RunningCalls(journal as CallJournal);
  const exposed: string[] = [];
  let calls = 0;
  return {
    running,
    written,
    exposed,
    timers,
    async pass(ms: number) {
      for (let left = ms; left > 0; left -= 10) {
        now += 10;
        timers.pass(10);
        await Promise.resolve().then(() => {});
      }
      await turns();
    },
    writesBy(next: () => Promise<void>) {
      write = next;
    },
    call(more: Partial<RunningCall> = {}): RunningCall {
      const streamId = `stream-${++calls}`;
      return {
        startedAt: now,
        sessionId: 's1',
        serverId: 'files',
        request: `request of ${streamId}`,
        isRepeatable: true,
        totalMs: 5000,
        notedAs: undefined,
        place: undefined,
        comeBack: () => {
          exposed.push(streamId);
          return streamId;
        },
        ...more,
      };
    },
  };
}

const notedOf = ({ noted }: CallChanges) => [...noted].map(([id, { request }]) => [id, request]);

test('a call that is over in a moment is nobody’s business', async (t) => {
  const { running, written, exposed, timers, pass, call } = start(t);
  const short = call();
  running.begin(short);
  await pass(90);
  running.end(short);
  await pass(1000);
  assert.deepEqual([written, exposed, timers.pending], [[], [], 0]);
});

test('one that takes longer is noted until it is over, for as long as it may take and a client may be late', async (t) => {
  const { running, written, pass, call } = start(t);
  const long = call();
  running.begin(long);
  await pass(200);
  assert.equal(written.length, 1);
  assert.deepEqual(notedOf(written[0]!.changes), [['stream-1', 'request of stream-1']]);
  assert.equal(written[0]!.ttlMs, 65_000);
  await pass(10_000);
  running.end(long);
  await pass(100);
  assert.equal(written.length, 2);
  assert.deepEqual([written[1]!.changes.over, notedOf(written[1]!.changes)], [['stream-1'], []]);
});

test('many calls of a session are one write; sessions have their own', async (t) => {
  const { running, written, pass, call } = start(t);
  for (const sessionId of ['a', 'a', 'b']) running.begin(call({ sessionId }));
  await pass(200);
  assert.deepEqual(
    written.map(({ session, changes }) => [session, changes.noted.size]),
    [
      ['a', 2],
      ['b', 1],
    ],
  );
});

test('a client can come back for any call; noted are those that may be run again, have a stream and are not too large', async (t) => {
  const { running, written, exposed, pass, call } = start(t);
  running.begin(call({ isRepeatable: false }));
  running.begin(call({ request: 'x'.repeat(65_537) }));
  running.begin(call({ comeBack: () => undefined }));
  await pass(200);
  assert.deepEqual([written, exposed], [[], ['stream-1', 'stream-2']]);
  const large = Array.from({ length: 257 }, () => call({ request: 'x'.repeat(65_536) }));
  for (const each of large) running.begin(each);
  await pass(200);
  assert.equal(written[0]?.changes.noted.size, 256);
  for (const each of large) running.end(each);
  running.begin(call());
  await pass(200);
  assert.equal(written.at(-1)?.changes.noted.size, 1);
});

test('a call that was taken over is noted at once as one that is run again, and over however short it was', async (t) => {
  const { running, written, pass, call } = start(t);
  const taken = call({ notedAs: 'taken' });
  running.begin(taken);
  await pass(50);
  assert.deepEqual(written[0]!.changes.noted.get('taken')?.isSecondRun, true);
  running.end(taken);
  const short = call({ notedAs: 'short' });
  running.begin(short);
  running.end(short);
  await pass(50);
  assert.deepEqual([written[1]!.changes.over, written[1]!.changes.noted.size], [['taken', 'short'], 0]);
});

test('a store that is slow is written to once at a time, and one that is away keeps nobody', async (t) => {
  const { running, written, pass, call, writesBy } = start(t);
  const { promise, resolve } = Promise.withResolvers<void>();
  writesBy(() => promise);
  running.begin(call());
  await pass(200);
  running.begin(call());
  await pass(1000);
  assert.equal(written.length, 1);
  writesBy(async () => {
    throw unavailable();
  });
  resolve();
  await pass(100);
  running.begin(call());
  await pass(200);
  assert.deepEqual(
    written.map(({ changes }) => [...changes.noted.keys()]),
    [['stream-1'], ['stream-2'], ['stream-3']],
  );
});
