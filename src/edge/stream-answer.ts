import type { Id, Message } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { ClientSink } from '../router/exchange.ts';
import type { ClientStream } from '../session/client-stream.ts';
import { errorResponse } from './error-response.ts';

const NOT_KEPT = new GatewayError(
  Code.Unavailable,
  'The answer was too large to be kept when its connection was lost; the call has run',
);

/** The answer to a request on a stream that its client can come back to. */
export class StreamAnswer implements ClientSink {
  readonly #stream: ClientStream;
  readonly #id: Id | null;

  constructor(stream: ClientStream, id: Id | null) {
    this.#stream = stream;
    this.#id = id;
  }

  get drained(): (() => void) | undefined {
    return this.#stream.drained;
  }

  set drained(callback: (() => void) | undefined) {
    this.#stream.drained = callback;
  }

  /** Half of a large answer is out. */
  get isHalfSent(): boolean {
    return this.#stream.isHalfSent;
  }

  comeBack(): string {
    return this.#stream.id;
  }

  openStream(): void {}

  message(text: string, _message?: Message, position?: string): boolean {
    return this.#stream.send(text, position);
  }

  moveTo(position: string): void {
    this.#stream.moveTo(position);
  }

  answer(body: string | Buffer): void {
    this.#stream.answer(body.toString(), errorResponse(NOT_KEPT, this.#id));
    this.#stream.end();
  }

  begin(): void {
    this.#stream.begin(errorResponse(NOT_KEPT, this.#id));
  }

  data(chunk: Buffer): boolean {
    return this.#stream.part(onOneLine(chunk));
  }

  end(): void {
    this.#stream.finish();
    this.#stream.end();
  }

  /** A cancelled request gets no answer (2025-11-25, cancellation), and half a message can't be taken back: the stream just ends. */
  fail(error: GatewayError): void {
    if (error.code !== Code.Cancelled && !this.#stream.isHalfSent) {
      this.#stream.send(errorResponse(error, this.#id));
    }
    this.#stream.end();
  }
}

const [FEED, CARRIAGE, SPACE] = [0x0a, 0x0d, 0x20];

/** A line break would end the event's data. In JSON there is none but between tokens, where a space is as good. */
function onOneLine(json: Buffer): Buffer {
  if (!json.includes(FEED) && !json.includes(CARRIAGE)) return json;
  return Buffer.from(json.map((byte) => (byte === FEED || byte === CARRIAGE ? SPACE : byte)));
}
