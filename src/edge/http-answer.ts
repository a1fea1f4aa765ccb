import type { ServerResponse } from 'node:http';
import type { AnswerSink } from '../downstream/port.ts';
import type { Id } from '../protocol/envelope.ts';
import { Code, type GatewayError } from '../protocol/errors.ts';
import { sseEventText } from '../protocol/sse.ts';
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

/**
 * The answer to one POST with one request: JSON, or an event stream where the server streams or has something to say
 * first. A client that goes away does not stop the server (2025-11-25, transports: a disconnection is not a
 * cancellation); what comes then is dropped.
 */
export class HttpAnswer implements AnswerSink {
  drained: (() => void) | undefined;
  readonly #response: ServerResponse;
  readonly #streams: EventStreams;
  readonly #id: Id;
  readonly #headers: Readonly<Record<string, string>>;
  #isStream = false;

  constructor(
    response: ServerResponse,
    streams: EventStreams,
    id: Id,
    headers: Readonly<Record<string, string>>,
  ) {
    this.#response = response;
    this.#streams = streams;
    this.#id = id;
    this.#headers = headers;
    const resume = () => this.drained?.();
    response.on('drain', resume);
    response.on('close', resume);
  }

  openStream(): void {
    if (this.#isStream || this.#response.headersSent) return;
    this.#isStream = true;
    this.#streams.start(this.#response, this.#headers, false);
    // With luck the first event is in the same packet; without, the client must not wait for the head.
    setImmediate(() => {
      if (!this.#response.destroyed && !this.#response.writableEnded) this.#response.flushHeaders();
    });
  }

  message(text: string): boolean {
    this.openStream();
    return this.#write(sseEventText(text));
  }

  answer(body: string | Buffer): void {
    if (this.#response.destroyed) return;
    if (this.#isStream) this.#response.end(sseEventText(body.toString()));
    else writeJson(this.#response, 200, body, this.#headers);
  }

  begin(length: number | undefined): void {
    if (this.#response.destroyed) return;
    const size = length === undefined ? {} : { 'content-length': length };
    this.#response.writeHead(200, { 'content-type': 'application/json', ...size, ...this.#headers });
  }

  data(chunk: Buffer): boolean {
    return this.#write(chunk);
  }

  end(): void {
    this.#response.end();
  }

  fail(error: GatewayError): void {
    if (this.#response.destroyed) return;
    if (this.#isStream) {
      // A cancelled request gets no answer (2025-11-25, cancellation); its stream just ends.
      if (error.code === Code.Cancelled) this.#response.end();
      else this.#response.end(sseEventText(errorResponse(error, this.#id)));
    } else if (this.#response.headersSent) {
      // Half an answer is out: cutting the connection is the only way left to say that it is not whole.
      this.#response.destroy();
    } else {
      const retry = error.retryAfter === undefined ? {} : { 'retry-after': String(error.retryAfter) };
      writeJson(this.#response, 200, errorResponse(error, this.#id), { ...retry, ...this.#headers });
    }
  }

  #write(chunk: string | Buffer): boolean {
    return this.#response.destroyed || this.#response.write(chunk);
  }
}
