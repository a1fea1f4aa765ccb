import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordingLogger } from '../../test/support/fakes.ts';
import { createMemoryCoordination } from '../coordination/memory/index.ts';
import type { AnswerSink } from '../downstream/port.ts';
import { parseMessage, type RequestMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { Recorder } from '../recording/recorder.ts';
import { Taps } from './taps.ts';

const ADMIN = { tenantId: 'acme', userId: 'boss', roles: ['admin', 'user'] };
const ADA = { tenantId: 'acme', userId: 'ada', roles: ['user'] };
const MINUTE_MS = 60_000;

function request(): RequestMessage {
  const params = { name: 'log-in', arguments: { password: 'hidden' } };
  return parseMessage(
    JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params }),
    32,
  ) as RequestMessage;
}

/** A client that keeps what it gets. */
function client() {
  const got: string[] = [];
  const sink: AnswerSink = {
    openStream: () => void got.push('stream'),
    message: (text) => got.push(text) > 0,
    answer: (body) => void got.push(body.toString()),
    begin: () => void got.push('begin'),
    data: (chunk) => got.push(chunk.toString()) > 0,
    end: () => void got.push('end'),
    fail: (error) => void got.push(error.message),
    drained: undefined,
  };
  return { got, sink };
}

function setUp(logsBodies = false) {
  const logger = recordingLogger();
  const { recordings: store, bus } = createMemoryCoordination({ nodeId: 'n1', logger });
  const recorder = new Recorder({ store, bus, logger });
  return { recorder, logger, taps: new Taps({ recorder, logger, logsBodies }) };
}

async function entries(recorder: Recorder, id: string) {
  return (await recorder.read('acme', id, undefined, 100)).map(({ data }) => JSON.parse(data));
}

test('while nobody is recorded, sinks stay as they are, and so do those of whom is not', async (t) => {
  const { recorder, taps } = setUp();
  t.after(() => recorder.close());
  const { sink } = client();
  assert.equal(taps.isOn, false);
  const { id } = await recorder.start(ADMIN, 'ada', MINUTE_MS);
  assert.equal(taps.isOn, true);
  assert.equal(taps.over({ ...ADA, userId: 'eve' }, request(), sink), sink);
  assert.equal(taps.over({ ...ADA, tenantId: 'other' }, request(), sink), sink);
  assert.notEqual(taps.over(ADA, request(), sink), sink);
  await recorder.stop('acme', id);
  assert.deepEqual([taps.isOn, taps.over(ADA, request(), sink) === sink], [false, true]);
});

test('what a recorded user gets is as without it, and is kept without its secrets', async (t) => {
  const { recorder, taps } = setUp();
  t.after(() => recorder.close());
  const { id } = await recorder.start(ADMIN, 'ada', MINUTE_MS);
  const { got, sink } = client();
  const message = parseMessage('{"jsonrpc":"2.0","method":"notifications/progress"}', 32);
  const answered = taps.over(ADA, request(), sink, 'mark');
  answered.openStream();
  answered.message('one', message);
  answered.answer('{"result":{"token":"hidden","ok":true}}');
  const long = taps.over(ADA, request(), sink);
  long.begin(4);
  long.data(Buffer.from('long'));
  long.end();
  taps.over(ADA, request(), sink).fail(new GatewayError(Code.DownstreamTimeout, 'too late'));
  assert.deepEqual(got, [
    'stream',
    'one',
    '{"result":{"token":"hidden","ok":true}}',
    'begin',
    'long',
    'end',
    'too late',
  ]);
  const kept = await entries(recorder, id);
  assert.doesNotMatch(JSON.stringify(kept), /hidden/);
  const [first, second, third] = kept;
  assert.deepEqual(
    [first.method, first.session, first.messages, first.node],
    ['tools/call', 'mark', 1, 'n1'],
  );
  assert.match(first.request, /"name":"log-in"/);
  assert.match(first.answer, /"ok":true/);
  assert.deepEqual([second.answer, second.answerBytes, third.failure], [undefined, 4, 'too late']);
});

test('a user is recorded once at a time, and recordings are of one tenant', async (t) => {
  const { recorder } = setUp();
  t.after(() => recorder.close());
  const { id } = await recorder.start(ADMIN, 'ada', MINUTE_MS);
  const isCode = (code: Code) => (error: unknown) => error instanceof GatewayError && error.code === code;
  await assert.rejects(recorder.start(ADMIN, 'ada', MINUTE_MS), isCode(Code.AlreadyExists));
  await assert.rejects(recorder.get('other', id), isCode(Code.NotFound));
  await assert.rejects(recorder.read('other', id, undefined, 1), isCode(Code.NotFound));
  await assert.rejects(recorder.stop('other', id), isCode(Code.NotFound));
  await recorder.stop('acme', id);
  assert.notEqual((await recorder.start(ADMIN, 'ada', MINUTE_MS)).id, id);
});

test('bodies are logged where that is asked for, without secrets', (t) => {
  const { recorder, logger, taps } = setUp(true);
  t.after(() => recorder.close());
  const { sink } = client();
  taps.over(ADA, request(), sink, 'mark').answer('{"result":{"cookie":"hidden","ok":true}}');
  const [line] = logger.lines;
  assert.equal(line?.level, 'debug');
  assert.deepEqual([line.fields['request'], line.fields['session'], line.fields['user']], [1, 'mark', 'ada']);
  assert.match(String(line.fields['asked']), /log-in/);
  assert.match(String(line.fields['answered']), /"ok":true/);
  assert.doesNotMatch(JSON.stringify(line), /hidden/);
});
