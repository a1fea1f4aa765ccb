import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { Dispatcher } from 'undici';
import { keepBusy } from '../../../test/support/busy.ts';
import { until } from '../../../test/support/wait.ts';
import { Http1Pool } from './pool.ts';

/** A server whose every request is answered by hand, and a pool of connections to it. */
async function start(t: TestContext) {
  const requests: { readonly socket: Socket; readonly text: string }[] = [];
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => {}));
    socket.on('data', (data) => requests.push({ socket, text: data.toString() }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  let emptied = 0;
  const pool = new Http1Pool({
    host: '127.0.0.1',
    port,
    connectTimeoutMs: 60_000,
    onEmpty: () => emptied++,
  });
  t.after(() => {
    pool.destroy();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    sockets,
    server,
    emptied: () => emptied,
    pool,
    ask(text: string) {
      const heard = new Heard();
      pool.send({ data: text, encoding: 'utf8', handler: heard });
      return heard;
    },
    /** The next request as the server sees it. */
    async served() {
      await until(() => requests.length > 0, { what: 'a request' });
      return requests.shift()!;
    },
  };
}

/** What a handler is told. */
class Heard implements Dispatcher.DispatchHandler {
  controller: Dispatcher.DispatchController | undefined;
  status = 0;
  body = '';
  ends = 0;
  error: (Error & { readonly code?: string }) | undefined;
  /** Called with each piece. */
  onData = () => {};

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number): void {
    this.status = status;
  }

  onResponseData(_: Dispatcher.DispatchController, chunk: Buffer): void {
    this.body += chunk.toString();
    this.onData();
  }

  onResponseEnd(): void {
    this.ends++;
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.ends++;
    this.error = error;
  }

  over(): Promise<unknown> {
    return until(() => this.ends > 0, { what: 'the end' });
  }
}

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n';

test('a connection is used again for what follows, and another made for what comes meanwhile', async (t) => {
  const { ask, served, sockets } = await start(t);
  const first = ask('one');
  const { socket, text } = await served();
  assert.equal(text, 'one');
  const meanwhile = ask('two');
  const other = await served();
  assert.notEqual(other.socket, socket);
  socket.write(`${OK}\r\nhi`);
  await first.over();
  const next = ask('three');
  const third = await served();
  assert.deepEqual([third.text, third.socket === socket, sockets.length], ['three', true, 2]);
  for (const each of [other, third]) each.socket.write(`${OK}\r\n${each.text.slice(0, 2)}`);
  await Promise.all([meanwhile.over(), next.over()]);
  assert.deepEqual(
    [first, meanwhile, next].map(({ body, ends, error }) => [body, ends, error]),
    [
      ['hi', 1, undefined],
      ['tw', 1, undefined],
      ['th', 1, undefined],
    ],
  );
});

test('a connection is not used again where the server closes it, says that it will, or says more than was asked', async (t) => {
  const { ask, served, emptied } = await start(t);
  for (const [index, [answer, then]] of (
    [
      [`${OK}\r\nhi`, 'end'],
      [`${OK}connection: close\r\n\r\nhi`, 'stay'],
      [`${OK}keep-alive: timeout=1\r\n\r\nhi`, 'stay'],
      ['HTTP/1.1 200 OK\r\n\r\nhi', 'end'],
      [`${OK}\r\nhi${OK}\r\nhi`, 'stay'],
    ] as const
  ).entries()) {
    const heard = ask('one');
    const { socket } = await served();
    const closed = once(socket, 'close');
    socket.write(answer);
    if (then === 'end') socket.end();
    await heard.over();
    await closed;
    assert.deepEqual([heard.status, heard.body, heard.ends], [200, 'hi', 1]);
    await until(() => emptied() === index + 1, { what: 'the pool to be empty' });
  }
});

test('a connection that has an answer before its request was sent is not used for it any more', async (t) => {
  const { ask, served } = await start(t);
  t.after(keepBusy());
  const first = ask('one');
  const { socket } = await served();
  socket.write(`${OK}\r\nhi`);
  await first.over();
  const received: string[] = [];
  const closed = once(socket, 'close');
  socket.on('data', (data) => received.push(data.toString()));
  // Said before it was asked for, and read before the next request is out.
  socket.write(`${OK}\r\nhi`);
  const early = ask('early');
  await early.over();
  await closed;
  assert.deepEqual([early.ends, early.body, received], [1, 'hi', []]);
});

test('what breaks off, is no HTTP, or cannot be reached ends with one error', async (t) => {
  const { ask, served, server } = await start(t);
  const end = async (answer: string, how: 'end' | 'destroy' | 'stay') => {
    const heard = ask('one');
    const { socket } = await served();
    socket.write(answer);
    if (how === 'end') socket.end();
    if (how === 'destroy') socket.resetAndDestroy();
    await heard.over();
    return [heard.ends, heard.error?.code];
  };
  assert.deepEqual(await end('', 'end'), [1, 'UND_ERR_SOCKET']);
  assert.deepEqual(await end(`${OK}\r\nh`, 'end'), [1, 'UND_ERR_SOCKET']);
  assert.deepEqual(await end(`${OK}\r\nh`, 'destroy'), [1, 'ECONNRESET']);
  assert.deepEqual(await end('220 mail.example.com\r\n\r\n', 'stay'), [1, 'HPE_MALFORMED']);
  server.close();
  const refused = ask('one');
  await refused.over();
  assert.deepEqual([refused.ends, refused.error?.code], [1, 'ECONNREFUSED']);
});

test('whoever gives up is told once, and its connection is gone', async (t) => {
  const { ask, served, emptied } = await start(t);
  const heard = ask('one');
  const { socket } = await served();
  const closed = once(socket, 'close');
  heard.controller?.abort(new Error('enough'));
  heard.controller?.abort(new Error('more'));
  await closed;
  assert.deepEqual([heard.ends, heard.error?.message, heard.controller?.aborted], [1, 'enough', true]);
  await until(() => emptied() === 1, { what: 'the pool to be empty' });
});

test('what throws while it is told of a response is told that it has failed, and nothing else suffers', async (t) => {
  const { ask, served } = await start(t);
  const heard = ask('one');
  heard.onData = () => {
    throw new Error('clumsy');
  };
  (await served()).socket.write(`${OK}\r\nhi`);
  await heard.over();
  assert.equal(heard.error?.message, 'clumsy');
});

test('nothing comes while it is paused, and all of it after that', async (t) => {
  const { ask, served } = await start(t);
  const heard = ask('one');
  const { socket } = await served();
  const size = 50_000_000;
  heard.onData = () => {
    heard.onData = () => {};
    heard.controller?.pause();
  };
  socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
  socket.write(Buffer.alloc(size, 120));
  await until(() => heard.body.length > 0, { what: 'the first piece' });
  const seen = heard.body.length;
  for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([heard.body.length, heard.controller?.paused], [seen, true]);
  assert.ok(socket.writableLength > 0);
  heard.controller?.resume();
  await heard.over();
  assert.deepEqual([heard.body.length, heard.error], [size, undefined]);
  // The connection is as good as before.
  const next = ask('two');
  const again = await served();
  assert.equal(again.socket, socket);
  socket.write(`${OK}\r\nhi`);
  await next.over();
});

test('idle connections are closed in time, and all with the pool', async (t) => {
  const { ask, served, pool, sockets } = await start(t);
  const heard = ask('one');
  const { socket } = await served();
  socket.write(`${OK}keep-alive: timeout=3\r\n\r\nhi`);
  await heard.over();
  await once(socket, 'close');
  const other = ask('two');
  await served();
  pool.destroy();
  await other.over();
  assert.deepEqual([other.ends, other.error?.code], [1, 'UND_ERR_SOCKET']);
  await until(() => sockets.every(({ destroyed }) => destroyed), { what: 'the end of all' });
});
