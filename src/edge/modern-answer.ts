import type { AnswerSink } from '../downstream/port.ts';
import { type Id, isObject, own } from '../protocol/envelope.ts';
import type { GatewayError } from '../protocol/errors.ts';
import { answerStatus, modernError, modernErrorText } from '../protocol/modern/wire-error.ts';
import { SSE_EVENT_END, sseEventText } from '../protocol/sse.ts';
import type { Place } from '../session/waiting-line.ts';
import { failureStatus } from './error-response.ts';
import type { EventStreams, Opening } from './event-stream.ts';
import { writeJson } from './http-answer.ts';
import type { HttpResponse } from './http-io.ts';

/** A client that has left this much of a stream unread is not reading: its connection is cut, which cancels the request. */
const MAX_UNREAD_BYTES = 4 * 1024 * 1024;

/** Before the error in a response stand the version and the id. */
const MEMBERS_BEFORE = 48;

const DATA = 'data: ';

/**
 * The answer to one request of the modern era: JSON, or an event stream where the server streams or has something to say
 * first. Events have no ids, since nobody can come back for them (2026-07-28, transports: Receiving Messages).
 */
export class ModernAnswer implements AnswerSink, Opening {
  drained: (() => void) | undefined;
  readonly #response: HttpResponse;
  readonly #streams: EventStreams;
  readonly #id: Id;
  #isStream = false;
  /** Where it waits to become a stream, if it takes its time. */
  #opening: Place<Opening> | undefined;
  #isHalfSent = false;

  constructor(response: HttpResponse, streams: EventStreams, id: Id) {
    this.#response = response;
    this.#streams = streams;
    this.#id = id;
  }

  openStream(): void {
    if (!this.#isStream) this.#opening ??= this.#streams.openSoon(this);
  }

  open(): void {
    this.#opened();
    const response = this.#response;
    if (this.#isStream || response.destroyed) return;
    this.#isStream = true;
    this.#streams.start(response);
    this.#followReader();
    // With luck the first message is in the same packet; without, the client must not wait for the head.
    setImmediate(() => {
      if (!response.destroyed && !response.writableEnded) response.flushHeaders();
    });
  }

  message(text: string): boolean {
    this.open();
    const response = this.#response;
    if (response.destroyed) return true;
    if (response.writableLength <= MAX_UNREAD_BYTES) return response.write(sseEventText(text));
    response.destroy();
    return true;
  }

  answer(body: string | Buffer): void {
    this.#opened();
    if (this.#response.destroyed) return;
    if (this.#isStream) this.#response.end(sseEventText(body.toString()));
    else writeJson(this.#response, statusOf(body, this.#id), body);
  }

  begin(length: number | undefined): void {
    this.#opened();
    const response = this.#response;
    if (response.destroyed) return;
    this.#isHalfSent = true;
    if (this.#isStream) {
      response.write(DATA);
      return;
    }
    this.#followReader();
    const size = length === undefined ? {} : { 'content-length': length };
    response.writeHead(200, { 'content-type': 'application/json', ...size });
  }

  /** A server's line breaks in JSON would end the event: they mean nothing there, and spaces mean the same. */
  data(chunk: Buffer): boolean {
    if (this.#response.destroyed) return true;
    return this.#response.write(this.#isStream ? withoutBreaks(chunk) : chunk);
  }

  end(): void {
    this.#response.end(this.#isStream ? SSE_EVENT_END : undefined);
  }

  fail(error: GatewayError): void {
    this.#opened();
    const response = this.#response;
    if (response.destroyed) return;
    // Half an answer is out: cutting the connection is the only way left to say that it is not whole.
    if (this.#isHalfSent) response.destroy();
    else if (this.#isStream) response.end(sseEventText(modernErrorText(error, this.#id)));
    else writeModernFailure(response, this.#id, error);
  }

  /** It is what it will be. */
  #opened(): void {
    if (this.#opening !== undefined) this.#opening.item = undefined;
    this.#opening = undefined;
  }

  #followReader(): void {
    const resume = () => this.drained?.();
    this.#response.on('drain', resume);
    this.#response.on('close', resume);
  }
}

/** A request's failure as the JSON answer to it. */
function writeModernFailure(response: HttpResponse, id: Id, error: GatewayError): void {
  const retry = error.retryAfter === undefined ? {} : { 'retry-after': String(error.retryAfter) };
  const refused = failureStatus(error);
  const status = refused === 200 ? answerStatus(modernError(error).rpcCode) : refused;
  writeJson(response, status, modernErrorText(error, id), retry);
}

/** Of an answer of the modern era, some errors have a status of their own. */
function statusOf(body: string | Buffer, id: Id): number {
  const before = MEMBERS_BEFORE + String(id).length * 2;
  const head = typeof body === 'string' ? body.slice(0, before) : body.toString('latin1', 0, before);
  if (!head.includes('"error"') || head.includes('"result"')) return 200;
  const response: unknown = JSON.parse(body.toString());
  const error = isObject(response) ? own(response, 'error') : undefined;
  const code = isObject(error) ? own(error, 'code') : undefined;
  return typeof code === 'number' ? answerStatus(code) : 200;
}

function withoutBreaks(chunk: Buffer): Buffer {
  if (!chunk.includes(0x0a) && !chunk.includes(0x0d)) return chunk;
  return Buffer.from(chunk.toString('latin1').replace(/[\r\n]/g, ' '), 'latin1');
}
