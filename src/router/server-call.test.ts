import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startCore } from '../../test/support/core.ts';
import { type RecordingSink, requestOf, turns, turnsUntil } from '../../test/support/fakes.ts';
import { virtualTimers } from '../../test/support/virtual-timers.ts';
import { until } from '../../test/support/wait.ts';
import { ConnectionLost } from '../downstream/connection-lost.ts';
import type { AnswerSink } from '../downstream/port.ts';
import {
  notificationText,
  parseMessage,
  type RequestMessage,
  requestText,
  resultText,
} from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';

const READS = { annotations: { get: { readOnlyHint: true }, put: { idempotentHint: true }, run: {} } };

/** A server of which each call is answered by the next of these. */
function server(...runs: ((asked: RequestMessage, sink: AnswerSink) => void)[]) {
  return {
    tools: ['get', 'put', 'run'],
    prompts: ['p'],
    ...READS,
    respond: (asked: RequestMessage, sink: AnswerSink) => {
      const run = runs.shift();
      assert.ok(run !== undefined, 'one run more than there should be');
      run(asked, sink);
      return undefined;
    },
  };
}

const breaks = (_asked: RequestMessage, sink: AnswerSink) =>
  sink.fail(new ConnectionLost(Code.DownstreamUnavailable, 'Server "a" closed the connection'));
const answers = (asked: RequestMessage, sink: AnswerSink) =>
  sink.answer(resultText(asked.id, '{"content":[]}'));
const reports =
  (...progress: number[]) =>
  (_asked: RequestMessage, sink: AnswerSink) => {
    for (const each of progress) {
      const text = notificationText('notifications/progress', { progressToken: 't', progress: each });
      sink.message(text, parseMessage(text, 64));
    }
  };
const both =
  (...steps: ((asked: RequestMessage, sink: AnswerSink) => void)[]) =>
  (asked: RequestMessage, sink: AnswerSink) => {
    for (const step of steps) step(asked, sink);
  };

const callOf = (name: string, id = 1) => requestOf(requestText(id, 'tools/call', { name, arguments: {} }));

/** Waits in time, and not in turns: there is a pause before a second run. */
async function ended(sink: RecordingSink): Promise<RecordingSink> {
  await until(() => sink.answers.length + sink.failures.length > 0, { what: 'an answer' });
  return sink;
}

const progressOf = (messages: readonly string[]) => messages.map((text) => JSON.parse(text).params.progress);

test('a call whose connection is lost is run again, once, where its tool says that this is safe', async (t) => {
  for (const tool of ['get', 'put']) {
    const core = await startCore(t, { a: server(breaks, answers) });
    const { answered } = await ended(core.send(callOf(`a__${tool}`, 7)));
    assert.deepEqual([answered.id, answered.result], [7, { content: [] }]);
    const [first, second] = core.link('a')!.requests.filter(({ method }) => method === 'tools/call');
    assert.equal(first?.id, 7);
    // The first may still be under way, and an id is used once in a session.
    assert.notEqual(second?.id, 7);
    assert.deepEqual(second?.params, first?.params);
    assert.ok(core.logger.lines.some(({ message }) => message.includes('run again')));
    assert.deepEqual(core.counted.at(-1), { method: 'tools/call', outcome: 'ok' });
  }
});

test('what only reads is run again as well', async (t) => {
  const core = await startCore(t, { a: server(breaks, answers) });
  const sink = await ended(core.send(requestOf(requestText(1, 'prompts/get', { name: 'a__p' }))));
  assert.equal(sink.answers.length, 1);
});

test('a tool that says nothing of it is not run again, and its client is told what that means', async (t) => {
  const core = await startCore(t, { a: server(breaks) });
  const sink = await ended(core.send(callOf('a__run')));
  assert.match(sink.failures[0]!.message, /closed the connection; the outcome of the call is unknown$/);
  assert.equal(core.session.inFlight.size, 0);
});

test('neither is one whose answer has begun, whose server never got it, or that asks for a task', async (t) => {
  const begun = both((_asked, sink) => sink.begin(undefined), breaks);
  const never = (_asked: RequestMessage, sink: AnswerSink) =>
    sink.fail(new GatewayError(Code.DownstreamUnavailable, 'Server "a" refused the connection'));
  for (const run of [begun, never]) {
    const core = await startCore(t, { a: server(run) });
    assert.equal((await ended(core.send(callOf('a__get')))).failures.length, 1);
  }
  const core = await startCore(t, { a: server(breaks) });
  const params = { name: 'a__get', arguments: {}, task: {} };
  assert.equal((await ended(core.send(requestOf(requestText(1, 'tools/call', params))))).failures.length, 1);
});

test('a second loss is the end of it', async (t) => {
  const core = await startCore(t, { a: server(breaks, breaks) });
  const sink = await ended(core.send(callOf('a__get')));
  assert.equal(sink.failures.length, 1);
  assert.match(sink.failures[0]!.message, /outcome of the call is unknown/);
  assert.deepEqual(core.counted.at(-1), { method: 'tools/call', outcome: 'error' });
});

test('progress only rises, though the second run begins at its beginning', async (t) => {
  const core = await startCore(t, {
    a: server(both(reports(1, 2), breaks), both(reports(1, 2, 3), answers)),
  });
  const sink = await ended(core.send(callOf('a__get')));
  assert.deepEqual(progressOf(sink.messages), [1, 2, 3]);
});

test('a client that cancels between the runs ends it', async (t) => {
  const core = await startCore(t, { a: server(answers, breaks) });
  await ended(core.send(callOf('a__get')));
  const timers = virtualTimers(t);
  const sink = core.send(callOf('a__get', 2));
  await turnsUntil(() => core.logger.lines.some(({ message }) => message.includes('run again')), 'the loss');
  core.session.inFlight.get('2')!.cancel();
  assert.deepEqual(
    sink.failures.map(({ code }) => code),
    [Code.Cancelled],
  );
  timers.pass(10_000);
  await turns();
  assert.equal(core.session.inFlight.size, 0);
});

test('a second run has what is left of the time', async (t) => {
  const core = await startCore(t, { a: server(breaks, answers) });
  await ended(core.send(callOf('a__get')));
  const [first, second] = core.link('a')!.deadlines.slice(-2);
  assert.ok(second!.totalMs < first!.totalMs && second!.totalMs > first!.totalMs - 60_000);
});
