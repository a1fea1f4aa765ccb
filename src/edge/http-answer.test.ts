import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type FakeResponse, fakeResponse } from '../../test/support/fake-http.ts';
import { recordingLogger, turns, turnsUntil } from '../../test/support/fakes.ts';
import { until } from '../../test/support/wait.ts';
import { createMemoryCoordination } from '../coordination/memory/index.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { type SseEvent, SseParser } from '../protocol/sse.ts';
import type { SessionVersion } from '../protocol/versions.ts';
import { requestStreamId } from '../session/event-id.ts';
import { FRESH, Session } from '../session/session.ts';
import { EventStreams } from './event-stream.ts';
import { HttpAnswer, writeFailure, writeJson } from './http-answer.ts';

const RESULT = '{"jsonrpc":"2.0","id":7,"result":{}}';
const MESSAGE = '{"jsonrpc":"2.0","method":"notifications/progress"}';
const LOG_SIZE = 1000;

function start(t: TestContext, protocolVersion: SessionVersion = '2025-06-18') {
  const { bus, streams: log } = createMemoryCoordination({ nodeId: 'n1' });
  const session = new Session(
    's1',
    { tenantId: 't', userId: 'u', roles: [] },
    { protocolVersion, clientInfo: {}, capabilities: {} },
    FRESH,
    { limits: { maxSize: LOG_SIZE, keepMs: 60_000 }, log, bus, logger: recordingLogger(), onMoved: () => {} },
  );
  const streams = new EventStreams();
  t.after(async () => {
    streams.close();
    await bus.close();
  });
  const client = fakeResponse();
  return { client, session, streams, answer: new HttpAnswer(client.response, streams, session, 7) };
}

function eventsOf(client: FakeResponse): SseEvent[] {
  const events: SseEvent[] = [];
  const parser = new SseParser((event) => events.push(event), 1_000_000);
  parser.push(Buffer.from(client.parsed().body));
  return events;
}

const dataOf = (client: FakeResponse) =>
  eventsOf(client)
    .map(({ data }) => data)
    .filter((data) => data !== '');

/** What the client has when it comes back with the last event id it has seen. */
async function comeBack(session: Session, streams: EventStreams, lastId: string): Promise<FakeResponse> {
  const [, streamId = '', sequence = ''] = /^(.*)_(\d+)$/.exec(lastId) ?? [];
  const stream = session.requestStream(streamId);
  assert.ok(stream !== undefined, `there is no stream ${streamId}`);
  const client = fakeResponse();
  streams.connect(client.response, stream, Number(sequence), false);
  await turns();
  return client;
}

test('an answer alone is JSON, byte for byte, in one write', (t) => {
  for (const body of [RESULT, Buffer.from('{ "jsonrpc":"2.0",\r\n"id":7,"result":"é😀"}')]) {
    const { client, answer } = start(t);
    answer.answer(body);
    const { status, headers, body: sent } = client.parsed();
    assert.equal(status, 200);
    assert.equal(headers['content-type'], 'application/json');
    assert.equal(headers['content-length'], String(Buffer.byteLength(body)));
    assert.equal(sent, body.toString());
    assert.equal(client.response.writableEnded, true);
  }
});

test('a failure alone is an error with the request’s id, in an HTTP answer that is fine', (t) => {
  const { client, answer } = start(t);
  answer.fail(new GatewayError(Code.Unavailable, 'busy', { retryAfter: 3, cause: new Error('secret') }));
  const { status, headers, body } = client.parsed();
  assert.deepEqual([status, headers['retry-after']], [200, '3']);
  assert.deepEqual(JSON.parse(body), { jsonrpc: '2.0', id: 7, error: { code: -32000, message: 'busy' } });
  assert.ok(!client.raw().includes('secret'));
});

test('what comes before the answer makes it a stream, which ends with the answer', async (t) => {
  const { client, answer } = start(t);
  answer.message(MESSAGE);
  answer.message('{"pretty":\n 1}');
  answer.answer(Buffer.from(RESULT));
  await turns();
  const { status, headers } = client.parsed();
  assert.equal(status, 200);
  assert.equal(headers['content-type'], 'text/event-stream');
  assert.equal(headers['x-accel-buffering'], 'no');
  assert.match(headers['cache-control'] ?? '', /no-cache/);
  assert.deepEqual(dataOf(client), [MESSAGE, '{"pretty":\n 1}', RESULT]);
  assert.equal(client.response.writableEnded, true);
  assert.equal(new Set(eventsOf(client).map(({ id }) => id)).size, 3);
});

test('a stream that holds an answer and nothing else becomes JSON', async (t) => {
  // Its head waits for some milliseconds, which a busy machine may let pass meanwhile.
  const client = await until(
    async () => {
      const { client, answer } = start(t);
      answer.openStream();
      await turns();
      if (client.raw() !== '') return undefined;
      answer.answer(RESULT);
      return client;
    },
    { what: 'an answer before the head is sent' },
  );
  const { headers, body } = client.parsed();
  assert.deepEqual([headers['content-type'], body], ['application/json', RESULT]);
});

test('a stream that says nothing for a while has its head sent', async (t) => {
  const { client, answer } = start(t);
  answer.openStream();
  await until(() => client.raw() !== '', { what: 'the head' });
  assert.equal(client.parsed().headers['content-type'], 'text/event-stream');
  answer.fail(new GatewayError(Code.DownstreamTimeout, 'late'));
  assert.equal(JSON.parse(dataOf(client)[0] ?? '').error.message, 'late');
});

test('streams of 2025-11-25 begin with an id to come back with, those before it do not', async (t) => {
  for (const [version, primed] of [
    ['2025-11-25', true],
    ['2025-06-18', false],
  ] as const) {
    const { client, answer } = start(t, version);
    answer.message(MESSAGE);
    await turns();
    const [first] = eventsOf(client).filter(({ id }) => id !== undefined);
    assert.equal(first?.data === '', primed, version);
  }
});

test('a cancelled request has no answer: its stream just ends', async (t) => {
  const { client, answer } = start(t);
  answer.message(MESSAGE);
  answer.fail(new GatewayError(Code.Cancelled, 'Cancelled by the client'));
  await turns();
  assert.deepEqual(dataOf(client), [MESSAGE]);
  assert.equal(client.response.writableEnded, true);
});

test('a large answer goes out as it comes, under its length where that is known', (t) => {
  const known = start(t);
  known.answer.begin(Buffer.byteLength(RESULT));
  for (const byte of Buffer.from(RESULT)) known.answer.data(Buffer.from([byte]));
  known.answer.end();
  assert.equal(known.client.parsed().headers['content-length'], String(RESULT.length));
  assert.equal(known.client.parsed().body, RESULT);
  const unknown = start(t);
  unknown.answer.begin(undefined);
  unknown.answer.data(Buffer.from(RESULT));
  unknown.answer.end();
  assert.equal(unknown.client.parsed().headers['transfer-encoding'], 'chunked');
  assert.equal(unknown.client.parsed().body, RESULT);
});

test('half an answer is no answer: the connection is cut', (t) => {
  const { client, answer } = start(t);
  answer.begin(undefined);
  answer.data(Buffer.from('{"jsonrpc"'));
  answer.fail(new GatewayError(Code.DownstreamUnavailable, 'gone'));
  assert.equal(client.response.destroyed, true);
  assert.ok(!client.raw().includes('gone'));
});

test('a slow client holds up the server, and lets it go on when it has read, or has gone', async (t) => {
  for (const how of ['drain', 'close'] as const) {
    for (const streamed of [false, true]) {
      const { client, answer } = start(t);
      let drained = 0;
      answer.drained = () => drained++;
      if (streamed) answer.openStream();
      else answer.begin(undefined);
      await turns();
      client.stall();
      const push = () =>
        streamed ? answer.message('x'.repeat(10_000)) : answer.data(Buffer.alloc(10_000, 'x'));
      let isFast = true;
      for (let count = 0; isFast && count < 100; count++) isFast = push();
      assert.equal(isFast, false, 'a client that reads nothing is not slow');
      if (how === 'drain') client.flow();
      else await client.cut();
      await turnsUntil(() => drained > 0, how);
    }
  }
});

test('a client that goes away before its answer changes nothing for the server', async (t) => {
  const ends: ((answer: HttpAnswer) => void)[] = [
    (answer) => answer.answer(RESULT),
    (answer) => answer.fail(new GatewayError(Code.Internal, 'x')),
    (answer) => {
      assert.equal(answer.message(MESSAGE), true);
      answer.answer(RESULT);
    },
    (answer) => {
      answer.openStream();
      answer.fail(new GatewayError(Code.Cancelled, 'x'));
    },
    (answer) => {
      answer.begin(10);
      assert.equal(answer.data(Buffer.from('x')), true);
      answer.end();
    },
    (answer) => {
      answer.begin(undefined);
      answer.fail(new GatewayError(Code.DownstreamUnavailable, 'x'));
    },
  ];
  for (const end of ends) {
    const { client, answer } = start(t);
    await client.cut();
    end(answer);
    await turns();
    assert.equal(client.raw(), '');
  }
});

test('a client that lost its stream comes back for the rest, also after the answer', async (t) => {
  const { client, answer, session, streams } = start(t);
  answer.message('{"n":1}');
  answer.message('{"n":2}');
  await turns();
  const [first] = eventsOf(client);
  await client.cut();
  answer.message('{"n":3}');
  const second = await comeBack(session, streams, first?.id ?? '');
  assert.deepEqual(dataOf(second), ['{"n":2}', '{"n":3}']);
  await second.cut();
  answer.answer(RESULT);
  const third = await comeBack(session, streams, eventsOf(second).at(-1)?.id ?? '');
  assert.deepEqual(dataOf(third), [RESULT]);
  assert.equal(third.response.writableEnded, true);
});

test('a stream that was opened after its client had gone can be come back for', async (t) => {
  const { client, answer, session, streams } = start(t);
  await client.cut();
  answer.message(MESSAGE);
  answer.answer(RESULT);
  const stream = session.requestStream(requestStreamId(1, 7, 'n1'));
  assert.ok(stream !== undefined);
  const later = fakeResponse();
  streams.connect(later.response, stream, 0, false);
  assert.deepEqual(dataOf(later), [MESSAGE, RESULT]);
});

test('a large answer on a stream is one event, or its substitute for a client that lost it half-way', async (t) => {
  const { client, answer } = start(t);
  answer.message(MESSAGE);
  answer.begin(undefined);
  answer.data(Buffer.from(RESULT.slice(0, 10)));
  answer.data(Buffer.from(RESULT.slice(10)));
  answer.end();
  await turns();
  assert.deepEqual(dataOf(client), [MESSAGE, RESULT]);
  assert.equal(client.response.writableEnded, true);

  const lost = start(t);
  lost.answer.message(MESSAGE);
  await turns();
  lost.answer.begin(undefined);
  lost.answer.data(Buffer.from(RESULT.slice(0, 10)));
  const [seen] = eventsOf(lost.client);
  await lost.client.cut();
  assert.equal(lost.answer.data(Buffer.from(RESULT.slice(10))), true);
  lost.answer.end();
  const back = await comeBack(lost.session, lost.streams, seen?.id ?? '');
  const [substitute = ''] = dataOf(back);
  assert.deepEqual([JSON.parse(substitute).id, dataOf(back).length], [7, 1]);
  assert.match(JSON.parse(substitute).error.message, /too large to be kept/);
});

test('half a large answer on a stream is cut off, and the client told when it comes back', async (t) => {
  const { client, answer, session, streams } = start(t);
  answer.message(MESSAGE);
  await turns();
  answer.begin(undefined);
  answer.data(Buffer.from('{"jsonrpc"'));
  const [seen] = eventsOf(client);
  answer.fail(new GatewayError(Code.DownstreamUnavailable, 'gone'));
  assert.equal(client.response.destroyed, true);
  const back = await comeBack(session, streams, seen?.id ?? '');
  assert.equal(JSON.parse(dataOf(back)[0] ?? '').id, 7);
});

test('an answer that is too large to keep reaches the client that is there, and has a substitute for later', async (t) => {
  const large = `{"jsonrpc":"2.0","id":7,"result":"${'x'.repeat(LOG_SIZE)}"}`;
  const { client, answer, session, streams } = start(t);
  answer.message(MESSAGE);
  await turns();
  const [seen] = eventsOf(client);
  answer.answer(large);
  assert.deepEqual(dataOf(client), [MESSAGE, large]);
  assert.match(dataOf(await comeBack(session, streams, seen?.id ?? ''))[0] ?? '', /too large to be kept/);
});

test('JSON and failures are written whole, with what headers they need', () => {
  const json = fakeResponse();
  writeJson(json.response, 404, '"é"', { 'mcp-session-id': 'x' });
  assert.deepEqual(json.parsed().status, 404);
  assert.equal(json.parsed().headers['mcp-session-id'], 'x');
  assert.equal(json.parsed().headers['content-length'], '4');
  const failure = fakeResponse();
  writeFailure(failure.response, 'a', new GatewayError(Code.InvalidParams, 'no'));
  assert.deepEqual(JSON.parse(failure.parsed().body), {
    jsonrpc: '2.0',
    id: 'a',
    error: { code: -32602, message: 'no' },
  });
});

test('nothing comes between the pieces of a large answer, however long the next one takes', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { client, answer } = start(t);
  const keepAlives = () => client.parsed().body.split(': keep-alive').length - 1;
  answer.open();
  await turns();
  t.mock.timers.tick(15_000);
  await turns();
  assert.equal(keepAlives(), 1);
  answer.begin(RESULT.length);
  answer.data(Buffer.from(RESULT.slice(0, 9)));
  t.mock.timers.tick(60_000);
  answer.data(Buffer.from(RESULT.slice(9)));
  answer.end();
  await turns();
  assert.deepEqual(dataOf(client), [RESULT]);
  assert.equal(keepAlives(), 1);
});

test('an answer that takes long becomes a stream that its client can come back for', async (t) => {
  const { client, answer, session, streams } = start(t, '2025-11-25');
  const streamId = answer.comeBack();
  assert.equal(answer.comeBack(), streamId);
  await turns();
  const [primed] = eventsOf(client).filter(({ id }) => id !== undefined);
  assert.deepEqual([primed?.data, primed?.id], ['', `${streamId}_0`]);
  await client.cut();
  answer.answer(`{"jsonrpc":"2.0",\r\n"id":7,"result":{}}`);
  const back = await comeBack(session, streams, primed?.id ?? '');
  assert.deepEqual(
    dataOf(back).map((data) => JSON.parse(data)),
    [JSON.parse(RESULT)],
  );
});

test('a large answer that came as JSON of several lines is one event', async (t) => {
  const { client, answer } = start(t, '2025-11-25');
  answer.comeBack();
  answer.begin(undefined);
  for (const part of ['{"jsonrpc":"2.0",\n', '\r\n"id":7,', '"result":"é\\n"}\n'])
    answer.data(Buffer.from(part));
  answer.end();
  await turns();
  const data = dataOf(client);
  assert.deepEqual([data.length, JSON.parse(data[0] ?? '')], [1, { jsonrpc: '2.0', id: 7, result: 'é\n' }]);
});

test('there is nothing to come back with where the client has gone, has its answer, or takes no id before it', async (t) => {
  const gone = start(t, '2025-11-25');
  await gone.client.cut();
  const begun = start(t, '2025-11-25');
  begun.answer.begin(undefined);
  const older = start(t, '2025-06-18');
  for (const { answer } of [gone, begun, older]) assert.equal(answer.comeBack(), undefined);
  // It has an id with its first message.
  older.answer.message(MESSAGE);
  assert.match(older.answer.comeBack() ?? '', /^r1\./);
});
