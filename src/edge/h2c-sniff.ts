import type { Socket } from 'node:net';

/** What a client with prior knowledge of HTTP/2 opens a connection with (RFC 9113, section 3.4). */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/**
 * Tells HTTP/2 from HTTP/1.1 by the first bytes, puts them back, and hands the connection on once. A connection that
 * does not say what it is within the deadline is destroyed.
 */
export function sniffHttp2(socket: Socket, deadlineMs: number, handOn: (isHttp2: boolean) => void): void {
  let seen = Buffer.alloc(0);
  const giveUp = () => socket.destroy();
  const deadline = setTimeout(giveUp, deadlineMs).unref();
  socket.once('error', giveUp).once('end', giveUp);
  socket.once('close', () => clearTimeout(deadline));

  const look = () => {
    const chunk: Buffer | null = socket.read();
    if (chunk !== null) seen = Buffer.concat([seen, chunk]);
    const length = Math.min(seen.length, PREFACE.length);
    const matches = seen.subarray(0, length).equals(PREFACE.subarray(0, length));
    if (matches && length < PREFACE.length) {
      socket.once('readable', look);
      return;
    }
    clearTimeout(deadline);
    socket.off('error', giveUp).off('end', giveUp);
    socket.unshift(seen);
    handOn(matches);
  };
  look();
}
