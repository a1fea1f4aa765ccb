import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { Code, GatewayError } from '../protocol/errors.ts';

/**
 * The body as text. Throws TooLarge beyond `maxBytes`, before reading where the length is declared; ParseError for what
 * is not UTF-8, which would be passed on altered; and Cancelled where the client goes away in the middle.
 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<string> {
  const declared = Number(request.headers['content-length']);
  if (declared > maxBytes) return Promise.reject(tooLarge(maxBytes));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let isComplete = false;
    const take = (chunk: Buffer) => {
      size += chunk.length;
      if (size <= maxBytes) return chunks.push(chunk);
      request.off('data', take).pause();
      return reject(tooLarge(maxBytes));
    };
    request.on('data', take);
    request.on('end', () => {
      isComplete = true;
      const [only] = chunks;
      const body = chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks);
      if (isUtf8(body)) resolve(body.toString('utf8'));
      else reject(notUtf8());
    });
    request.on('error', (cause) =>
      reject(new GatewayError(Code.Cancelled, 'The request was cut off', { cause })),
    );
    request.on('close', () => {
      // Every request closes in the end, and an error costs more than all else here.
      if (!isComplete) reject(new GatewayError(Code.Cancelled, 'The request was cut off'));
    });
  });
}

/** How much of a refused body is read and dropped, and for how many milliseconds. */
const DISCARD_BYTES = 64 * 1024 * 1024;
const DISCARD_MS = 2000;

/**
 * Reads what is left of a body that was refused, and drops it. Closing the connection on a client that still sends would
 * break it before the client has read why. Resolves at the end of the body, or when it has been enough.
 */
export async function discardBody(request: IncomingMessage): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const enough = setTimeout(resolve, DISCARD_MS);
  let left = DISCARD_BYTES;
  request.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) resolve();
  });
  request.once('end', resolve).once('close', resolve).resume();
  await promise;
  clearTimeout(enough);
  request.pause();
}

export function notUtf8(): GatewayError {
  return new GatewayError(Code.ParseError, 'Parse error: the body is not UTF-8');
}

export function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError(Code.TooLarge, `The body is larger than ${maxBytes} bytes`);
}
