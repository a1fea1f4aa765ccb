import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { notUtf8, tooLarge } from '../body.ts';
import type { HttpRequest } from '../http-io.ts';

/** A request that is here as a whole. */
export class PlainRequest implements HttpRequest {
  readonly headers: IncomingHttpHeaders;
  readonly complete = true;
  readonly #body: Buffer;
  readonly #socket: Socket;

  constructor(headers: IncomingHttpHeaders, body: Buffer, socket: Socket) {
    this.headers = headers;
    this.#body = body;
    this.#socket = socket;
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  text(maxBytes: number): string {
    if (this.#body.length > maxBytes) throw tooLarge(maxBytes);
    if (!isUtf8(this.#body)) throw notUtf8();
    return this.#body.toString('utf8');
  }

  async discard(): Promise<void> {}
}
