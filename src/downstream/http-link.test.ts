import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Dispatcher } from 'undici';
import { fakeServer, turns, turnsUntil } from '../../test/support/fakes.ts';
import { type Message, parseMessage, resultText } from '../protocol/envelope.ts';
import type { HttpClient } from './http-client.ts';
import { HttpLink } from './http-link.ts';

const CONTROLLER = { paused: false, aborted: false, reason: null, pause() {}, resume() {}, abort() {} };

/** What the server answers a GET with: a status, or a stream that says so much and breaks. */
type Get = number | string;

/** A link to a server that is a function: it gives each session an id, or none, and answers GETs in turn. */
async function start(gets: readonly Get[], hasSessions = true) {
  const asked: string[] = [];
  const lastEventIds: (string | undefined)[] = [];
  let sessions = 0;
  let streams = 0;
  const answer = (
    handler: Dispatcher.DispatchHandler,
    status: number,
    headers: Record<string, string>,
    body: string,
  ) => {
    setImmediate(() => {
      const controller = { ...CONTROLLER } as unknown as Dispatcher.DispatchController;
      handler.onRequestStart?.(controller, {});
      handler.onResponseStart?.(controller, status, headers, '');
      if (body !== '') handler.onResponseData?.(controller, Buffer.from(body));
      handler.onResponseEnd?.(controller, {});
    });
  };
  const client: Pick<HttpClient, 'dispatch' | 'maxMessageBytes'> = {
    maxMessageBytes: 1_000_000,
    dispatch: (_endpoint, method, headers, body, handler) => {
      const at = headers.indexOf('last-event-id');
      if (method === 'GET') lastEventIds.push(at === -1 ? undefined : headers[at + 1]);
      const message: Message | undefined = body === null ? undefined : parseMessage(body, 64);
      asked.push(message?.kind === 'request' ? message.method : method);
      if (message?.kind === 'request') {
        const session: Record<string, string> = hasSessions ? { 'mcp-session-id': `s${++sessions}` } : {};
        const result = '{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{}}';
        answer(
          handler,
          200,
          { 'content-type': 'application/json', ...session },
          resultText(message.id, result),
        );
      } else if (method === 'GET') {
        const get = gets[streams++];
        if (typeof get === 'number') answer(handler, get, {}, '');
        else if (get !== undefined) answer(handler, 200, { 'content-type': 'text/event-stream' }, get);
      } else {
        answer(handler, 202, {}, '');
      }
    },
  };
  const server = fakeServer('s');
  assert.ok(server.target.kind === 'http');
  const heard: string[] = [];
  const positions: (string | undefined)[] = [];
  const link = await HttpLink.open(server, server.target, {
    client: client as HttpClient,
    identity: { name: 'gateway', version: '1' },
    handshakeDeadlines: { idleMs: 1000, totalMs: 1000 },
    clientCapabilities: {},
    listener: {
      message: ({ text }, position) => {
        heard.push(text);
        positions.push(position);
      },
      moveTo: (position) => positions.push(position),
      restarted: () => {},
    },
    signal: new AbortController().signal,
  });
  const count = (what: string) => asked.filter((each) => each === what).length;
  return { link, heard, positions, lastEventIds, count };
}

test('a server that has no stream, and says so by 404, is not initialised again and again', async () => {
  const { link, count } = await start(Array.from({ length: 100 }, () => 404));
  link.listen();
  await turns();
  await turns();
  assert.ok(count('initialize') <= 2, `${count('initialize')} times initialised`);
  assert.ok(count('GET') <= 2, `${count('GET')} times asked`);
  await link.close();
});

test('without a session there is none to lose: 404 is no stream', async () => {
  const { link, count } = await start([404, 404, 404], false);
  link.listen();
  await turns();
  assert.deepEqual([count('initialize'), count('GET')], [1, 1]);
  await link.close();
});

test('a session that is lost after its stream was open is opened anew, and listened to', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const message = '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}';
  const { link, heard, count } = await start(['data: {}\n\n', 404, `data: ${message}\n\n`, 404, 405]);
  link.listen();
  await turns();
  for (let round = 0; round < 2; round++) {
    t.mock.timers.tick(30_000);
    await turns();
  }
  await turnsUntil(() => count('GET') === 5, 'the last stream to be asked for');
  assert.deepEqual(heard, [message]);
  assert.equal(count('initialize'), 3);
  await turns();
  assert.equal(count('GET'), 5);
  t.mock.timers.reset();
  await link.close();
});

test('a server that has no stream, and says so by 405, is left in peace', async () => {
  const { link, count } = await start([405, 405]);
  link.listen();
  await turns();
  assert.deepEqual([count('initialize'), count('GET')], [1, 1]);
  await link.close();
});

const SAID = 'data: {"jsonrpc":"2.0","method":"notifications/message"}';

test('a position says where a stream stands, with a message and without, and is gone on from in its session only', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const stream = `id: 6\ndata:\n\nid: 7\n${SAID}\n\n${SAID}\n\n`;
  const { link, positions, lastEventIds, count } = await start([stream, 405, 405]);
  link.listen();
  await turnsUntil(() => positions.length === 3, 'what the server says');
  const [six, seven, none] = positions;
  assert.deepEqual([six?.split('.')[1], seven?.split('.')[1], none], ['6', '7', undefined]);
  t.mock.timers.tick(30_000);
  await turnsUntil(() => count('GET') === 2, 'the stream to be asked for again');
  await turns();
  link.unlisten();
  link.listen(six);
  link.unlisten();
  link.listen(`other${six}`);
  await turns();
  assert.deepEqual(lastEventIds, [undefined, '7', '6', undefined]);
  t.mock.timers.reset();
  await link.close();
});

test('a stream that another node still has is asked for again', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { link, heard, count } = await start([409, `${SAID}\n\n`, 405]);
  link.listen();
  await turns();
  assert.equal(count('GET'), 1);
  t.mock.timers.tick(30_000);
  await turnsUntil(() => heard.length === 1, 'what the server says');
  t.mock.timers.reset();
  await link.close();
});

test('nothing is heard any more of a stream that is not listened to', async () => {
  const { link, heard } = await start([`${SAID}\n\n`, 405]);
  link.listen();
  link.unlisten();
  await turns();
  assert.deepEqual(heard, []);
  await link.close();
});
