import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Dispatcher } from 'undici';
import { fakeServer, RecordingSink, request, turns, turnsUntil } from '../../test/support/fakes.ts';
import { virtualTimers } from '../../test/support/virtual-timers.ts';
import { parseMessage, resultText } from '../protocol/envelope.ts';
import { ConnectionLost } from './connection-lost.ts';
import type { HttpClient } from './http-client.ts';
import { HttpLink } from './http-link.ts';
import type { PortableLink } from './port.ts';

const CONTROLLER = { paused: false, aborted: false, reason: null, pause() {}, resume() {}, abort() {} };
const DEADLINES = { idleMs: 100_000, totalMs: 200_000 };
const ANSWER = resultText(7, '{}');
const PROGRESS = '{"jsonrpc":"2.0","method":"notifications/progress","params":{}}';

/** What the server answers with: a status and nothing more, an error of the connection, or a stream that ends after so much. */
type Reply = number | Error | string;

const HANDSHAKE = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: {} };

/** A link that goes on with a session; the server gives these replies, in turn. */
async function start(t: TestContext, replies: readonly Reply[], sessionId: string | null = 'secret') {
  const timers = virtualTimers(t);
  const asked: {
    readonly method: string;
    readonly lastEventId: string | undefined;
    readonly body: unknown;
  }[] = [];
  const left = [...replies];
  const client: Pick<HttpClient, 'dispatch' | 'maxMessageBytes'> = {
    maxMessageBytes: 1_000_000,
    dispatch: (_endpoint, method, headers, body, handler) => {
      const at = headers.indexOf('last-event-id');
      asked.push({
        method,
        lastEventId: at === -1 ? undefined : headers[at + 1],
        body: body === null ? undefined : JSON.parse(body),
      });
      const isNotification = body !== null && parseMessage(body, 64).kind === 'notification';
      const reply = isNotification ? 202 : left.shift();
      if (reply !== undefined) setImmediate(() => give(handler, reply));
    },
  };
  const server = fakeServer('s');
  assert.ok(server.target.kind === 'http');
  const resume: PortableLink = { handshake: HANDSHAKE, ...(sessionId === null ? {} : { sessionId }) };
  const link = await HttpLink.open(server, server.target, {
    client: client as HttpClient,
    identity: { name: 'gateway', version: '1' },
    handshakeDeadlines: { idleMs: 1000, totalMs: 1000 },
    clientCapabilities: {},
    listener: { message: () => {}, restarted: () => {} },
    signal: new AbortController().signal,
    resume,
  });
  return {
    link,
    asked,
    /** Lets time go by until the sink has what it gets. */
    async ended(sink: RecordingSink): Promise<RecordingSink> {
      for (let n = 0; n < 100 && sink.answers.length + sink.failures.length === 0; n++) {
        await turns();
        timers.pass(500);
      }
      return sink;
    },
    timers,
  };
}

function give(handler: Dispatcher.DispatchHandler, reply: Reply): void {
  const controller = { ...CONTROLLER } as unknown as Dispatcher.DispatchController;
  handler.onRequestStart?.(controller, {});
  if (reply instanceof Error) {
    handler.onResponseError?.(controller, reply);
    return;
  }
  const headers: Record<string, string> =
    typeof reply === 'string' ? { 'content-type': 'text/event-stream' } : {};
  handler.onResponseStart?.(controller, typeof reply === 'number' ? reply : 200, headers, '');
  if (typeof reply === 'string') handler.onResponseData?.(controller, Buffer.from(reply));
  handler.onResponseEnd?.(controller, {});
}

const event = (id: string | undefined, data: string) =>
  `${id === undefined ? '' : `id: ${id}\n`}data: ${data}\n\n`;

/** Writes down positions too. */
class PositionSink extends RecordingSink {
  readonly positions: (string | undefined)[] = [];

  override message(text: string, _message?: unknown, position?: string): boolean {
    this.positions.push(position);
    return super.message(text);
  }

  moveTo(position: string): void {
    this.positions.push(position);
  }
}

async function positionsOf(t: TestContext, stream: string, sessionId: string | null = 'secret') {
  const { link, ended } = await start(t, [stream], sessionId);
  const sink = new PositionSink();
  link.request(request('tools/call', {}, 7), sink, DEADLINES);
  await ended(sink);
  return sink.positions;
}

test('an answer says where it stands, with each message, and where it only says that', async (t) => {
  const stream = event('a', '') + event('a', '') + event('b', PROGRESS) + event(undefined, PROGRESS);
  const positions = await positionsOf(t, stream + event('c', ANSWER));
  assert.equal(positions.length, 3);
  assert.match(positions[0]!, /^[\w-]{8}\.a$/);
  assert.deepEqual(
    positions.map((position) => position?.split('.')[1]),
    ['a', 'b', 'b'],
  );
  assert.ok(!positions.join().includes('secret'));
});

test('an event id that is too long, or that no header takes, is no position', async (t) => {
  for (const id of ['x'.repeat(257), 'é', 'a\tb']) {
    const positions = await positionsOf(t, event(id, PROGRESS) + event('c', ANSWER));
    assert.deepEqual(positions, [undefined], id);
  }
});

test('another node goes on from a position, in the same session', async (t) => {
  for (const sessionId of ['secret', null]) {
    await t.test(String(sessionId), async (t) => {
      const [position] = await positionsOf(t, event('a', PROGRESS) + event('c', ANSWER), sessionId);
      const { link, asked, ended } = await start(t, [event('b', PROGRESS) + event('c', ANSWER)], sessionId);
      const sink = new PositionSink();
      link.resume(7, position!, sink, DEADLINES);
      await ended(sink);
      assert.deepEqual(asked, [{ method: 'GET', lastEventId: 'a', body: undefined }]);
      assert.deepEqual([sink.messages, sink.answers], [[PROGRESS], [ANSWER]]);
      assert.equal(sink.positions[0]!.split('.')[1], 'b');
    });
  }
});

test('in another session the same event id would be another event: nothing is asked', async (t) => {
  const [position] = await positionsOf(t, event('a', PROGRESS) + event('c', ANSWER));
  const { link, asked } = await start(t, [], 'another');
  for (const each of [position!, 'a', '', '.a', `${position!.split('.')[0]}.a\nb: c`]) {
    const sink = new RecordingSink();
    link.resume(7, each, sink, DEADLINES);
    assert.ok(sink.failures[0] instanceof ConnectionLost, each);
  }
  assert.deepEqual(asked, []);
});

test('a server that is not ready is asked again; one that does not know is not', async (t) => {
  const [position] = await positionsOf(t, event('a', PROGRESS) + event('c', ANSWER));
  const rest = event('c', ANSWER);
  const cases: readonly (readonly [readonly Reply[], number, boolean])[] = [
    [[409, 503, new Error('reset'), rest], 4, true],
    [['', '', rest], 3, true],
    [[409, 409, 409, 409, 409, rest], 5, false],
    [[404], 1, false],
    [[400], 1, false],
    [[405], 1, false],
    // Of another stream.
    [[event('c', resultText(8, '{}'))], 1, false],
  ];
  for (const [replies, times, isAnswered] of cases) {
    await t.test(replies.map((reply) => String(reply).slice(0, 20)).join(), async (t) => {
      const { link, asked, ended } = await start(t, replies);
      const sink = await resumed(link, position!, ended);
      assert.deepEqual(
        [asked.length, sink.answers.length, sink.failures.length],
        [times, isAnswered ? 1 : 0, isAnswered ? 0 : 1],
      );
    });
  }
});

async function resumed(
  link: HttpLink,
  position: string,
  ended: (sink: RecordingSink) => Promise<RecordingSink>,
): Promise<RecordingSink> {
  const sink = new RecordingSink();
  link.resume(7, position, sink, DEADLINES);
  return ended(sink);
}

test('a server that resumes and says nothing is given up at the deadline, and told', async (t) => {
  const [position] = await positionsOf(t, event('a', PROGRESS) + event('c', ANSWER));
  const { link, asked, timers } = await start(t, []);
  const sink = new RecordingSink();
  link.resume(7, position!, sink, DEADLINES);
  timers.pass(DEADLINES.idleMs);
  await turnsUntil(() => sink.failures.length > 0, 'the failure');
  assert.deepEqual((asked.at(-1)!.body as { params: { requestId: unknown } }).params.requestId, 7);
  assert.equal(timers.pending, 0);
});
