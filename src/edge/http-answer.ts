import type { Id, Message } from '../protocol/envelope.ts';
import type { GatewayError } from '../protocol/errors.ts';
import { hasPriming } from '../protocol/versions.ts';
import type { ClientSink } from '../router/exchange.ts';
import type { Session } from '../session/session.ts';
import type { Place } from '../session/waiting-line.ts';
import { errorResponse, failureStatus } from './error-response.ts';
import type { EventStreams, Opening } from './event-stream.ts';
import type { HttpResponse } from './http-io.ts';
import { StreamAnswer } from './stream-answer.ts';

/** A JSON answer leaves in one write, head and body together. */
export function writeJson(
  response: HttpResponse,
  status: number,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): void {
  const length = Buffer.byteLength(body);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': length, ...headers });
  // What is ASCII alone needs no encoding.
  if (typeof body === 'string' && body.length === length) response.end(body, 'latin1');
  else response.end(body);
}

/** A request's failure as the JSON answer to it: the HTTP request as such was fine, unless it was refused. */
export function writeFailure(response: HttpResponse, id: Id, error: GatewayError): void {
  const retry = error.retryAfter === undefined ? {} : { 'retry-after': String(error.retryAfter) };
  writeJson(response, failureStatus(error), errorResponse(error, id), retry);
}

/**
 * The answer to one POST with one request: JSON, or an event stream where the server streams or has something to say
 * first. A client that goes away does not stop the server (2025-11-25, transports: a disconnection is not a
 * cancellation); of a stream it can come back for the rest.
 */
export class HttpAnswer implements ClientSink, Opening {
  drained: (() => void) | undefined;
  readonly #response: HttpResponse;
  readonly #streams: EventStreams;
  readonly #session: Session;
  readonly #id: Id;
  #stream: StreamAnswer | undefined;
  /** Where it waits to become a stream, if it takes its time. */
  #opening: Place<Opening> | undefined;

  constructor(response: HttpResponse, streams: EventStreams, session: Session, id: Id) {
    this.#response = response;
    this.#streams = streams;
    this.#session = session;
    this.#id = id;
  }

  comeBack(): string | undefined {
    if (this.#stream !== undefined) return this.#stream.comeBack();
    // Without an event before its answer a client has no id to come back with.
    if (this.#response.destroyed || this.#response.headersSent || !this.#isPrimed) return undefined;
    return this.#open().comeBack();
  }

  openStream(): void {
    if (this.#stream === undefined) this.#opening ??= this.#streams.openSoon(this);
  }

  open(): void {
    this.#open();
  }

  message(text: string, message?: Message, position?: string): boolean {
    return this.#open().message(text, message, position);
  }

  moveTo(position: string): void {
    this.#open().moveTo(position);
  }

  answer(body: string | Buffer): void {
    this.#opened();
    if (this.#stream !== undefined) this.#stream.answer(body);
    else if (!this.#response.destroyed) writeJson(this.#response, 200, body);
  }

  begin(length: number | undefined): void {
    this.#opened();
    if (this.#stream !== undefined) return this.#stream.begin();
    const response = this.#response;
    const resume = () => this.drained?.();
    response.on('drain', resume);
    response.on('close', resume);
    if (response.destroyed) return;
    const size = length === undefined ? {} : { 'content-length': length };
    response.writeHead(200, { 'content-type': 'application/json', ...size });
  }

  data(chunk: Buffer): boolean {
    if (this.#stream !== undefined) return this.#stream.data(chunk);
    return this.#response.destroyed || this.#response.write(chunk);
  }

  end(): void {
    if (this.#stream !== undefined) this.#stream.end();
    else this.#response.end();
  }

  fail(error: GatewayError): void {
    this.#opened();
    if (this.#stream !== undefined) {
      // Half an answer is out: cutting the connection is the only way left to say that it is not whole.
      if (this.#stream.isHalfSent) this.#response.destroy();
      this.#stream.fail(error);
    } else if (this.#response.headersSent) {
      this.#response.destroy();
    } else if (!this.#response.destroyed) {
      writeFailure(this.#response, this.#id, error);
    }
  }

  get #isPrimed(): boolean {
    return hasPriming(this.#session.hello.protocolVersion);
  }

  /** It is what it will be. */
  #opened(): void {
    if (this.#opening !== undefined) this.#opening.item = undefined;
    this.#opening = undefined;
  }

  #open(): StreamAnswer {
    if (this.#stream !== undefined) return this.#stream;
    this.#opened();
    const stream = this.#session.openRequestStream(this.#id);
    this.#stream = new StreamAnswer(stream, this.#id);
    stream.drained = () => this.drained?.();
    if (this.#response.destroyed) return this.#stream;
    this.#streams.connect(this.#response, stream, undefined, this.#isPrimed);
    // With luck the first message is in the same packet; without, the client must not wait for the head.
    setImmediate(() => {
      if (!this.#response.destroyed && !this.#response.writableEnded) this.#response.flushHeaders();
    });
    return this.#stream;
  }
}
