import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { Connections } from '../../src/edge/connections.ts';
import { until } from '../support/wait.ts';

const LONG_MS = 60_000;

async function serve(t: TestContext, listener: RequestListener) {
  const server = createServer({ keepAliveTimeout: LONG_MS });
  const connections = new Connections(server);
  server.on('request', listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  let closed: Promise<void> | undefined;
  const close = (graceMs = LONG_MS) => {
    closed ??= connections.close(graceMs);
    return closed;
  };
  t.after(() => close(0));
  return { server, connections, port, close };
}

async function dial(t: TestContext, port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';

/** The next bytes, which hold a whole answer: answers here are short. */
async function ask(socket: Socket): Promise<string> {
  socket.write(GET);
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  return bytes.toString();
}

const hello: RequestListener = (_, response) => void response.end('hello');

test('a drain goes on serving, with a connection for each request', async (t) => {
  const { connections, port } = await serve(t, hello);
  const [kept, other] = [await dial(t, port), await dial(t, port)];
  assert.match(await ask(kept), /connection: keep-alive/i);
  connections.drain();
  for (const socket of [kept, other, await dial(t, port)]) {
    const ended = once(socket, 'end');
    assert.match(await ask(socket), /connection: close[\s\S]*hello/i);
    await ended;
  }
});

test('the answer to a request that runs when the drain begins is the last on its connection', async (t) => {
  const asked = Promise.withResolvers<() => void>();
  const { connections, port } = await serve(t, (_, response) => asked.resolve(() => response.end('late')));
  const socket = await dial(t, port);
  socket.write(GET);
  const answer = await asked.promise;
  connections.drain();
  answer();
  assert.match(await text(socket), /connection: close[\s\S]*late/i);
});

test('what waits to be accepted is answered, and nothing is reset', async (t) => {
  const { close, port } = await serve(t, hello);
  const sockets = Array.from({ length: 60 }, () => connect(port, '127.0.0.1'));
  const answers = sockets.map((socket) => {
    socket.write(GET);
    return text(socket);
  });
  const closed = close();
  for (const answer of await Promise.all(answers)) assert.match(answer, /hello/);
  await closed;
});

test('a request that comes while the server closes is answered, on a kept connection and on a new one', async (t) => {
  const { server, close, port } = await serve(t, hello);
  const [kept, fresh] = [await dial(t, port), await dial(t, port)];
  await ask(kept);
  const closed = close();
  await until(() => !server.listening, { what: 'the port to be closed' });
  assert.match(await ask(kept), /connection: close[\s\S]*hello/i);
  assert.match(await ask(fresh), /connection: close[\s\S]*hello/i);
  await closed;
});

test('idle connections do not hold up the end', async (t) => {
  const { close, port } = await serve(t, hello);
  const [used, unused] = [await dial(t, port), await dial(t, port)];
  await ask(used);
  const ends = [once(used, 'end'), once(unused, 'end')];
  await close();
  await Promise.all(ends);
});

test('an answer is read to its end, however slowly', async (t) => {
  const size = 32 * 1024 * 1024;
  const { server, close, port } = await serve(t, (_, response) => void response.end(Buffer.alloc(size)));
  const [slow, idle] = [await dial(t, port), await dial(t, port)];
  slow.pause();
  const answered = once(server, 'request');
  slow.write(GET);
  await answered;
  const ended = text(idle);
  const closed = close();
  // Connections that carry nothing are closed by then, and the answer is still on its way.
  await ended;
  let read = 0;
  slow.on('data', (chunk: Buffer) => {
    read += chunk.length;
  });
  slow.resume();
  await once(slow, 'end');
  assert.ok(read > size, `${read} bytes of ${size}`);
  await closed;
});

test('what does not end in time is cut', async (t) => {
  const { close, port } = await serve(t, () => {});
  const socket = await dial(t, port);
  socket.on('error', () => {});
  socket.write(GET);
  const cut = once(socket, 'close');
  await close(20);
  await cut;
});
