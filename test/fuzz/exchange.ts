import { connect } from 'node:net';

/** An answer that is not complete after so long is not waited for: the client sends its last, and the server has to make an end. */
const PATIENCE_MS = 150;

/** Beyond it the server hangs. */
const LIMIT_MS = 20_000;

/**
 * Sends bytes on a connection of their own and resolves with what comes back, as Latin-1: '' where the server only closes.
 * Rejects where it does neither in time.
 */
export function exchange(url: string, bytes: Buffer): Promise<string> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    let received = '';
    const socket = connect(Number(port), hostname);
    const done = () => {
      clearTimeout(patience);
      clearTimeout(limit);
      socket.destroy();
      resolve(received);
    };
    const patience = setTimeout(() => (received === '' ? socket.end() : done()), PATIENCE_MS);
    const limit = setTimeout(() => {
      socket.destroy();
      reject(new Error('neither an answer nor an end'));
    }, LIMIT_MS);
    socket.on('connect', () => socket.write(bytes));
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      if (isComplete(received)) done();
    });
    socket.on('error', done).on('end', done).on('close', done);
  });
}

/** Whether one answer of HTTP/1.1 is there as a whole. */
function isComplete(received: string): boolean {
  const head = received.indexOf('\r\n\r\n');
  if (head < 0 || !received.startsWith('HTTP/1.')) return false;
  const length = /^content-length: *(\d+)\r$/im.exec(received.slice(0, head + 2))?.[1];
  return length === undefined
    ? received.endsWith('\r\n0\r\n\r\n')
    : received.length >= head + 4 + Number(length);
}
