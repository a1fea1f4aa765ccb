import type { IncomingMessage } from 'node:http';
import { Code, GatewayError } from '../protocol/errors.ts';

/**
 * The body as text. Throws TooLarge beyond `maxBytes`, before reading where the length is declared, and Cancelled where
 * the client goes away in the middle.
 */
export function readBody(request: IncomingMessage, maxBytes: number): Promise<string> {
  const declared = Number(request.headers['content-length']);
  if (declared > maxBytes) return Promise.reject(tooLarge(maxBytes));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) {
        request.pause();
        return reject(tooLarge(maxBytes));
      }
      chunks.push(chunk);
    });
    request.on('end', () => {
      const [only] = chunks;
      resolve((chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks)).toString('utf8'));
    });
    request.on('error', (cause) =>
      reject(new GatewayError(Code.Cancelled, 'The request was cut off', { cause })),
    );
    request.on('close', () => reject(new GatewayError(Code.Cancelled, 'The request was cut off')));
  });
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError(Code.TooLarge, `The body is larger than ${maxBytes} bytes`);
}
