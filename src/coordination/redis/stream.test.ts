import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { openStream } from './stream.ts';

test('of a connection the first error is told, and no other ends the process', async (t) => {
  const server = createServer((socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const told: string[] = [];
  const stream = openStream({ host: '127.0.0.1', port }, undefined, ({ message }) => told.push(message));
  await once(stream, 'connect');
  for (const message of ['first', 'second']) stream.emit('error', new Error(message));
  stream.destroy();
  assert.deepEqual(told, ['first']);
});
