import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { discardBody, readBody } from './body.ts';
import type { HttpRequest } from './http-io.ts';

/** A request that Node's own server has read. */
export class NodeRequest implements HttpRequest {
  readonly #incoming: IncomingMessage;

  constructor(incoming: IncomingMessage) {
    this.#incoming = incoming;
  }

  get headers(): IncomingHttpHeaders {
    return this.#incoming.headers;
  }

  get remoteAddress(): string | undefined {
    return this.#incoming.socket.remoteAddress;
  }

  get complete(): boolean {
    return this.#incoming.complete;
  }

  text(maxBytes: number): Promise<string> {
    return readBody(this.#incoming, maxBytes);
  }

  discard(): Promise<void> {
    return discardBody(this.#incoming);
  }
}
