import type { ServerResponse } from 'node:http';
import type { AnswerSink } from '../downstream/port.ts';
import type { Id } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { hasPriming } from '../protocol/versions.ts';
import type { ClientStream } from '../session/client-stream.ts';
import type { Session } from '../session/session.ts';
import { errorResponse } from './error-response.ts';
import type { EventStreams } from './event-stream.ts';

/** A JSON answer leaves in one write, head and body together. */
export function writeJson(
  response: ServerResponse,
  status: number,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...headers,
  });
  response.end(body);
}

/** A request's failure as the JSON answer to it: the HTTP request as such was fine. */
export function writeFailure(response: ServerResponse, id: Id, error: GatewayError): void {
  const retry = error.retryAfter === undefined ? {} : { 'retry-after': String(error.retryAfter) };
  writeJson(response, 200, errorResponse(error, id), retry);
}

const NOT_KEPT = new GatewayError(
  Code.Unavailable,
  'The answer was too large to be kept when its connection was lost; the call has run',
);

/**
 * The answer to one POST with one request: JSON, or an event stream where the server streams or has something to say
 * first. A client that goes away does not stop the server (2025-11-25, transports: a disconnection is not a
 * cancellation); of a stream it can come back for the rest.
 */
export class HttpAnswer implements AnswerSink {
  drained: (() => void) | undefined;
  readonly #response: ServerResponse;
  readonly #streams: EventStreams;
  readonly #session: Session;
  readonly #id: Id;
  #stream: ClientStream | undefined;

  constructor(response: ServerResponse, streams: EventStreams, session: Session, id: Id) {
    this.#response = response;
    this.#streams = streams;
    this.#session = session;
    this.#id = id;
  }

  openStream(): void {
    this.#open();
  }

  message(text: string): boolean {
    return this.#open().send(text);
  }

  answer(body: string | Buffer): void {
    if (this.#stream !== undefined) {
      this.#stream.send(body.toString(), errorResponse(NOT_KEPT, this.#id));
      this.#stream.end();
    } else if (!this.#response.destroyed) {
      writeJson(this.#response, 200, body);
    }
  }

  begin(length: number | undefined): void {
    if (this.#stream !== undefined) return this.#stream.begin(errorResponse(NOT_KEPT, this.#id));
    const response = this.#response;
    const resume = () => this.drained?.();
    response.on('drain', resume);
    response.on('close', resume);
    if (response.destroyed) return;
    const size = length === undefined ? {} : { 'content-length': length };
    response.writeHead(200, { 'content-type': 'application/json', ...size });
  }

  data(chunk: Buffer): boolean {
    if (this.#stream !== undefined) return this.#stream.part(chunk);
    return this.#response.destroyed || this.#response.write(chunk);
  }

  end(): void {
    if (this.#stream === undefined) {
      this.#response.end();
    } else {
      this.#stream.finish();
      this.#stream.end();
    }
  }

  fail(error: GatewayError): void {
    if (this.#stream?.isHalfSent) {
      this.#response.destroy();
      this.#stream.end();
    } else if (this.#stream !== undefined) {
      // A cancelled request gets no answer (2025-11-25, cancellation); its stream just ends.
      if (error.code !== Code.Cancelled) this.#stream.send(errorResponse(error, this.#id));
      this.#stream.end();
    } else if (this.#response.headersSent) {
      // Half an answer is out: cutting the connection is the only way left to say that it is not whole.
      this.#response.destroy();
    } else if (!this.#response.destroyed) {
      writeFailure(this.#response, this.#id, error);
    }
  }

  #open(): ClientStream {
    if (this.#stream !== undefined) return this.#stream;
    const stream = this.#session.openRequestStream(this.#id);
    this.#stream = stream;
    stream.drained = () => this.drained?.();
    if (this.#response.destroyed) return stream;
    this.#streams.connect(this.#response, stream, undefined, hasPriming(this.#session.hello.protocolVersion));
    // With luck the first message is in the same packet; without, the client must not wait for the head.
    setImmediate(() => {
      if (!this.#response.destroyed && !this.#response.writableEnded) this.#response.flushHeaders();
    });
    return stream;
  }
}
