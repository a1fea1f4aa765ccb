import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { after, before, describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { keepBusy } from '../../../test/support/busy.ts';
import { cut, places } from '../../../test/support/split.ts';
import { until } from '../../../test/support/wait.ts';
import type { HttpRequest, HttpResponse } from '../http-io.ts';
import { NodeRequest } from '../node-request.ts';
import { Front } from './front.ts';

const MAX_BYTES = 200_000;

/** Answers in the way that the body names: at once or later, whole or in pieces, as text or bytes. */
async function answer(request: HttpRequest, response: HttpResponse, seen: string[] = []): Promise<void> {
  let given: string | Promise<string>;
  try {
    given = request.text(MAX_BYTES);
    if (typeof given !== 'string') given = await given;
  } catch {
    response.writeHead(400).end();
    return;
  }
  const [how = '', ...rest] = given.split(' ');
  seen.push(`${request.headers['x-one']} ${given}`);
  const text = `${request.headers['x-one']}: ${rest.join(' ')}`;
  const length = { 'content-length': Buffer.byteLength(text) };
  switch (how) {
    case 'final':
      return void response.writeHead(200, { ...length, connection: 'close' }).end(text);
    case 'later':
      return void setImmediate(() => response.writeHead(201, length).end(text));
    case 'bytes':
      return void response.writeHead(200, length).end(Buffer.from(text));
    case 'latin1':
      return void response.writeHead(200).end(text, 'latin1');
    case 'empty':
      return void response.writeHead(202).end();
    case 'none':
      return void response.writeHead(204).end();
    case 'stream':
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      response.write(text);
      response.write('');
      response.write(Buffer.from(text));
      return void setImmediate(() => response.end('€nd'));
    case 'broken':
      response.writeHead(200).write(text);
      // By then it is on its way.
      return void process.nextTick(() => queueMicrotask(() => response.destroy()));
    case 'sized':
      response.writeHead(200, { 'content-length': 3 + length['content-length'] });
      response.write(text);
      return void response.end('end');
    default:
      response.writeHead(200).end(text);
  }
}

async function start(server: Server, seen?: string[]): Promise<number> {
  server.on('request', (incoming, outgoing) => void answer(new NodeRequest(incoming), outgoing, seen));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** Everything that comes back for these bytes, sent piece by piece, until the server closes the connection. */
async function exchange(port: number, pieces: readonly Buffer[]): Promise<Buffer> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => {});
  const closed = new Promise((resolve) => socket.once('close', resolve));
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise(setImmediate);
  }
  await closed;
  return Buffer.concat(chunks);
}

/** Status and body of each response. */
function responsesIn(bytes: Buffer): [number, string][] {
  const responses: [number, string][] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf('\r\n\r\n', at);
    assert.notEqual(end, -1, `no head in ${bytes.toString('latin1', at, at + 200)}`);
    const head = bytes.toString('latin1', at, end).toLowerCase();
    const status = Number(head.slice(9, 12));
    at = end + 4;
    let body: Buffer = Buffer.alloc(0);
    if (head.includes('transfer-encoding: chunked')) {
      for (let size = -1; size !== 0; ) {
        const line = bytes.indexOf('\r\n', at);
        size = Number.parseInt(bytes.toString('latin1', at, line), 16);
        body = Buffer.concat([body, bytes.subarray(line + 2, line + 2 + size)]);
        at = line + 2 + size + 2;
      }
    } else {
      const size = Number(/content-length: (\d+)/.exec(head)?.[1] ?? 0);
      body = bytes.subarray(at, at + size);
      at += size;
    }
    responses.push([status, body.toString()]);
  }
  return responses;
}

const HOW = ['now', 'later', 'bytes', 'latin1', 'empty', 'none', 'stream', 'sized'];

/** What every server reads in one way, and what some would read in another. */
const SOUND = {
  lines: [
    ...Array(8).fill('POST /mcp HTTP/1.1'),
    'POST /mcp?a=b HTTP/1.1',
    'PUT /mcp HTTP/1.1',
    'GET /mcp HTTP/1.1',
  ],
  headers: ['', '', 'x-one: two\r\n', 'X-One:\t three \r\n', 'X-ONE: a\r\nx-one: b\r\n', 'te: trailers\r\n'],
  framings: ['sized', 'sized', 'sized', 'sized', 'chunked'],
  texts: ['x', 'ü€', '', 'y'.repeat(3000), 'z'.repeat(70_000)],
};
const ODD = {
  lines: [
    'POST /mcp HTTP/1.1',
    'POST /mcp HTTP/1.0',
    'POST /mcp',
    ' POST /mcp HTTP/1.1',
    'POST  /mcp HTTP/1.1',
  ],
  headers: ['', 'x one: bad\r\n', 'x-one: a\0b\r\n', ' folded\r\n', 'x-one: a\nx-two: b\r\n', 'host: b\r\n'],
  framings: ['sized', 'twice', 'both', 'signed', 'none'],
  texts: ['x'],
};

function framed(framing: string, bytes: Buffer): [string, (string | Buffer)[]] {
  const sized = `content-length: ${bytes.length}\r\n`;
  const chunked = 'transfer-encoding: chunked\r\n';
  const chunks = [`${bytes.length.toString(16)}\r\n`, bytes, '\r\n0\r\n\r\n'];
  switch (framing) {
    case 'chunked':
      return [chunked, chunks];
    case 'twice':
      return [sized + sized, [bytes]];
    case 'both':
      return [sized + chunked, chunks];
    case 'signed':
      return [`content-length: +${bytes.length}\r\n`, [bytes]];
    case 'none':
      return ['', [bytes]];
    default:
      return [sized, [bytes]];
  }
}

const requestOf = ({ lines, headers, framings, texts }: typeof SOUND) =>
  fc
    .tuple(
      fc.constantFrom(...lines),
      fc.constantFrom(...headers),
      fc.constantFrom(...framings),
      fc.constantFrom(...HOW),
      fc.constantFrom(...texts),
    )
    .map(([line, extra, framing, how, text]) => {
      const bytes = Buffer.from(`${how} ${how === 'latin1' ? 'x' : text}`);
      const [length, sent] = framed(framing, bytes);
      const head = `${line}\r\nHost: a\r\n${extra}${length}\r\n`;
      return head + sent.join('');
    });

const LAST = 'POST /mcp HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 4\r\n\r\nlast';

for (const isBusy of [false, true])
  describe(`a front before a server that is ${isBusy ? 'busy' : 'idle'}`, () => {
    const plain = createServer();
    const fronted = createServer();
    const seen: [string[], string[]] = [[], []];
    let served = 0;
    let sockets: Socket[] = [];
    new Front(
      fronted,
      (['POST', 'GET'] as const).map((method) => ({
        method,
        path: '/mcp',
        serve: (request, response, socket) => {
          served++;
          sockets.push(socket);
          void answer(request, response, seen[1]);
        },
      })),
    );
    let ports: number[];
    let rest = () => {};

    before(async () => {
      if (isBusy) rest = keepBusy();
      ports = await Promise.all([start(plain, seen[0]), start(fronted, seen[1])]);
    });

    after(() => {
      rest();
      for (const server of [plain, fronted]) server.close();
    });

    /** A connection that has had one answer, and what it reads from then on. */
    async function openConnection(t: TestContext): Promise<[Socket, Buffer[]]> {
      const socket = connect({ port: ports[1]!, host: '127.0.0.1' });
      t.after(() => socket.destroy());
      const chunks: Buffer[] = [];
      socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => {});
      return [socket, chunks];
    }

    const post = (text: string) =>
      `POST /mcp HTTP/1.1\r\nhost: a\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;

    async function compare(text: string, at: readonly number[]): Promise<void> {
      const [expected, actual] = await Promise.all(
        ports.map(async (port) => responsesIn(await exchange(port, cut(Buffer.from(text), at)))),
      );
      assert.deepEqual(actual, expected);
      assert.deepEqual(seen[1].splice(0), seen[0].splice(0));
    }

    it('answers as the server does, whatever is asked in whichever pieces', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(requestOf(SOUND), { maxLength: 4 }), places, (requests, at) =>
          compare(requests.join('') + LAST, at),
        ),
        { numRuns: 150 },
      );
      assert.ok(served > 20, `${served} served by the front`);
    });

    it('serves what has no body', async () => {
      const before = served;
      await compare(`GET /mcp HTTP/1.1\r\nhost: a\r\n\r\n${LAST}`, [3]);
      assert.equal(served, before + 1);
    });

    it('takes for a request only what the server does', async () => {
      await fc.assert(
        fc.asyncProperty(requestOf(ODD), places, async (odd, at) => {
          // Of the answers, some are lost where a connection is reset.
          await Promise.all(ports.map((port) => exchange(port, cut(Buffer.from(odd + LAST), at))));
          assert.deepEqual(seen[1].splice(0), seen[0].splice(0));
        }),
        { numRuns: 150 },
      );
    });

    it('keeps the order of answers to requests that come all at once', async () => {
      const texts = Array.from({ length: 30 }, (_, index) => `${index % 3 === 0 ? 'later' : 'now'} ${index}`);
      const bytes = Buffer.from(texts.map(post).join('') + LAST);
      const responses = responsesIn(await exchange(ports[1]!, [bytes]));
      assert.deepEqual(
        responses.map(([, text]) => text),
        [...texts.map((text) => `undefined: ${text.split(' ')[1]}`), 'undefined: '],
      );
    });

    it('ends a connection whose answer says so, and says nothing else of it', async () => {
      seen[1].splice(0);
      const bytes = await exchange(ports[1]!, [Buffer.from(post('final x') + post('now y'))]);
      // Nothing is done whose answer could not go out.
      assert.deepEqual(seen[1].splice(0), ['undefined final x']);
      assert.deepEqual(responsesIn(bytes), [[200, 'undefined: x']]);
      assert.deepEqual(bytes.toString().match(/(?:connection|keep-alive): [^\r]+/gi), ['connection: close']);
    });

    it('sends what is written before it ends a connection', async (t) => {
      const [broken, pieces] = await openConnection(t);
      broken.write(post('broken x'));
      await once(broken, 'close');
      assert.match(Buffer.concat(pieces).toString(), /undefined: x/);
      const [ended, chunks] = await openConnection(t);
      ended.end(post('later x'));
      await once(ended, 'close');
      assert.deepEqual(responsesIn(Buffer.concat(chunks)), [[201, 'undefined: x']]);
    });

    it('says how long it keeps a connection, and what day it is', async (t) => {
      const [socket, chunks] = await openConnection(t);
      socket.write(post('now x'));
      await until(() => chunks.length > 0, { what: 'the answer' });
      const head = Buffer.concat(chunks).toString();
      assert.match(head, /\r\nkeep-alive: timeout=\d+\r\n/);
      const date = /\r\ndate: ([^\r]+)\r\n/.exec(head)?.[1] ?? '';
      assert.ok(Math.abs(Date.parse(date) - Date.now()) < 60_000, date);
    });

    it('tells an answer that its client has gone', async (t) => {
      for (const leave of ['destroy', 'end'] as const) {
        sockets = [];
        const [socket] = await openConnection(t);
        socket.write(post('later x'));
        await until(() => sockets.length > 0, { what: 'the request' });
        socket[leave]();
        await until(() => sockets[0]!.destroyed, { what: 'the end of the connection' });
      }
    });

    it('waits no longer than the server for what is late', async (t) => {
      t.mock.timers.enable({ apis: ['setInterval'] });
      const server = createServer({ keepAliveTimeout: 1, headersTimeout: 1, requestTimeout: 1 });
      new Front(server, [
        { method: 'POST', path: '/mcp', serve: (request, response) => void answer(request, response) },
      ]);
      const port = await start(server);
      t.after(() => server.close());
      for (const sent of ['', post('x').slice(0, 20), post('x').slice(0, -1), post('x')]) {
        const socket = connect({ port, host: '127.0.0.1' }).resume();
        let isClosed = false;
        socket.once('close', () => {
          isClosed = true;
        });
        socket.write(sent);
        await once(socket, sent === post('x') ? 'data' : 'connect');
        await until(
          () => {
            t.mock.timers.tick(60_000);
            return isClosed;
          },
          { what: `the end of a connection that has sent ${sent.length} bytes` },
        );
      }
    });
  });
