import type { AnswerSink } from '../downstream/port.ts';
import type { Id } from '../protocol/envelope.ts';
import { Code, type GatewayError } from '../protocol/errors.ts';
import { sseEventText } from '../protocol/sse.ts';
import { errorResponse } from './error-response.ts';
import type { EventStreams } from './event-stream.ts';
import type { HttpResponse } from './http-io.ts';

/** The answers to a batch (2025-03-26): one stream for all its requests, ended by the last answer. */
export class BatchAnswer {
  readonly #response: HttpResponse;
  readonly #parts = new Set<BatchPart>();
  #left: number;

  constructor(response: HttpResponse, streams: EventStreams, requests: number) {
    this.#response = response;
    this.#left = requests;
    streams.start(response);
    response.flushHeaders();
    const resume = () => {
      for (const part of this.#parts) part.drained?.();
    };
    response.on('drain', resume);
    response.on('close', resume);
  }

  part(id: Id): AnswerSink {
    const part = new BatchPart(
      id,
      (text) => this.#write(text),
      () => this.#done(part),
    );
    this.#parts.add(part);
    return part;
  }

  #write(text: string): boolean {
    return this.#response.destroyed || this.#response.write(sseEventText(text));
  }

  #done(part: BatchPart): void {
    this.#parts.delete(part);
    if (--this.#left === 0) this.#response.end();
  }
}

class BatchPart implements AnswerSink {
  drained: (() => void) | undefined;
  readonly #id: Id;
  readonly #write: (text: string) => boolean;
  readonly #done: () => void;
  #chunks: Buffer[] = [];

  constructor(id: Id, write: (text: string) => boolean, done: () => void) {
    this.#id = id;
    this.#write = write;
    this.#done = done;
  }

  openStream(): void {}

  message(text: string): boolean {
    return this.#write(text);
  }

  answer(body: string | Buffer): void {
    this.#write(body.toString());
    this.#done();
  }

  begin(): void {}

  data(chunk: Buffer): boolean {
    this.#chunks.push(chunk);
    return true;
  }

  end(): void {
    const body = Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.answer(body);
  }

  fail(error: GatewayError): void {
    if (error.code !== Code.Cancelled) this.#write(errorResponse(error, this.#id));
    this.#done();
  }
}
