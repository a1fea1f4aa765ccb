import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import { notUtf8, tooLarge } from '../body.ts';
import type { HttpRequest } from '../http-io.ts';

/** A request that is here as a whole. */
export class PlainRequest implements HttpRequest {
  readonly headers: IncomingHttpHeaders;
  readonly complete = true;
  readonly #body: Buffer;

  constructor(headers: IncomingHttpHeaders, body: Buffer) {
    this.headers = headers;
    this.#body = body;
  }

  text(maxBytes: number): string {
    if (this.#body.length > maxBytes) throw tooLarge(maxBytes);
    if (!isUtf8(this.#body)) throw notUtf8();
    return this.#body.toString('utf8');
  }

  async discard(): Promise<void> {}
}
