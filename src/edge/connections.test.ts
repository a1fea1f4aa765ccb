import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { until } from '../../test/support/wait.ts';
import { Connections } from './connections.ts';
import { Front } from './front/front.ts';

/** More than the system takes off our hands. */
const LARGE = Buffer.alloc(32 * 1024 * 1024, 'x');

const STALLED_MS = 1000;

const request = (path: string) => `POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}`;

/** `/mcp` is answered by the front, other paths by Node's server; both with the same. */
async function start(server: Server): Promise<number> {
  new Front(server, [
    { method: 'POST', path: '/mcp', serve: (_request, response) => void response.writeHead(200).end(LARGE) },
  ]);
  new Connections(server, { stalledMs: STALLED_MS });
  server.on('request', (_request, response) => response.writeHead(200).end(LARGE));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

for (const path of ['/mcp', '/other']) {
  test(`a client that does not read is cut: ${path}`, { timeout: 60_000 }, async (t) => {
    const server = createServer();
    t.after(() => server.close());
    const port = await start(server);
    const accepted: Socket[] = [];
    server.on('connection', (socket: Socket) => accepted.push(socket));
    const client = connect(port, '127.0.0.1').on('error', () => {});
    t.after(() => client.destroy());
    client.pause().write(request(path));
    await until(() => accepted[0]?.destroyed, { what: 'the end of the connection', timeoutMs: 30_000 });
  });

  test(`a client that reads slowly gets all of it: ${path}`, { timeout: 60_000 }, async (t) => {
    const server = createServer();
    t.after(() => server.close());
    const port = await start(server);
    const client = connect(port, '127.0.0.1');
    t.after(() => client.destroy());
    let received = 0;
    client.on('data', (chunk) => {
      received += chunk.length;
      client.pause();
      // A few milliseconds for each 64 KiB: several times as long as a client may read nothing.
      setTimeout(() => client.resume(), 6);
    });
    client.write(request(path));
    await until(() => received > LARGE.length || client.destroyed, { what: 'the end', timeoutMs: 50_000 });
    assert.ok(received > LARGE.length, `${received} bytes came`);
    // The connection is good for more, and not cut later for having been slow.
    client.removeAllListeners('data').on('data', (chunk) => {
      received += chunk.length;
    });
    received = 0;
    client.write(request(path));
    await until(() => received > LARGE.length || client.destroyed, { what: 'the second answer' });
    assert.ok(received > LARGE.length);
  });
}
