import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { TcpProxy } from './tcp-proxy.ts';
import { until } from './wait.ts';

/** A server that says its name, then whatever it is told. */
async function echo(t: TestContext, name: string): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).write(name);
    socket.pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function talk(t: TestContext, proxy: TcpProxy) {
  const socket = connect(proxy.port, '127.0.0.1');
  const said = { text: '', closed: false, socket };
  socket
    .on('error', () => {})
    .on('data', (chunk) => {
      said.text += chunk;
    });
  socket.on('close', () => {
    said.closed = true;
  });
  t.after(() => socket.destroy());
  return said;
}

describe('TCP proxy', () => {
  it('passes connections on in turn', async (t) => {
    const targets = [await echo(t, 'a'), await echo(t, 'b')];
    const proxy = await TcpProxy.start({ targets: () => targets });
    t.after(() => proxy.close());
    const one = talk(t, proxy);
    await until(() => one.text === 'a', { what: 'a' });
    const two = talk(t, proxy);
    await until(() => two.text === 'b', { what: 'b' });
    one.socket.write('!');
    await until(() => one.text === 'a!', { what: 'the echo' });
    one.socket.end();
    await until(() => one.closed && proxy.connections === 1, { what: 'the end' });
  });

  it('cuts, refuses and heals', async (t) => {
    const target = await echo(t, 'a');
    const proxy = await TcpProxy.start({ targets: () => [target] });
    t.after(() => proxy.close());
    const one = talk(t, proxy);
    await until(() => one.text === 'a', { what: 'a' });
    proxy.cut();
    await until(() => one.closed, { what: 'the cut' });
    proxy.refuse();
    const two = talk(t, proxy);
    await until(() => two.closed, { what: 'the refusal' });
    assert.equal(two.text, '');
    proxy.heal();
    const three = talk(t, proxy);
    await until(() => three.text === 'a', { what: 'a again' });
  });

  it('holds everything back while it is silent', async (t) => {
    const target = await echo(t, 'a');
    const proxy = await TcpProxy.start({ targets: () => [target] });
    t.after(() => proxy.close());
    const one = talk(t, proxy);
    await until(() => one.text === 'a', { what: 'a' });
    proxy.silence();
    one.socket.write('!');
    const two = talk(t, proxy);
    await until(() => proxy.connections === 2, { what: 'the second connection' });
    assert.deepEqual([one.text, two.text], ['a', '']);
    proxy.heal();
    await until(() => one.text === 'a!' && two.text === 'a', { what: 'what was held back' });
    assert.deepEqual([one.closed, two.closed], [false, false]);
  });
});
