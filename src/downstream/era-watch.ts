import type { Message } from '../protocol/envelope.ts';
import type { GatewayError } from '../protocol/errors.ts';
import { ErrorCode } from '../protocol/modern/wire-error.ts';
import { PostRefused } from './http-errors.ts';
import type { AnswerSink } from './port.ts';

/** In so much of an answer an error shows, in characters. */
const HEAD = 256;

const UNSUPPORTED = String(ErrorCode.UnsupportedProtocolVersion);

/** How servers with sessions refuse what comes outside one: there is no code for it, but those that they use are these. */
const NO_SESSION = /-3200[01]\D.*\b(?:session|initiali[sz]ed)\b/is;

/** Passes an answer on, and tells where it is one that a server gives which is not of the era that it was asked in. */
export class EraWatch implements AnswerSink {
  readonly #sink: AnswerSink;
  readonly #doubt: () => void;

  constructor(sink: AnswerSink, doubt: () => void) {
    this.#sink = sink;
    this.#doubt = doubt;
  }

  get drained(): (() => void) | undefined {
    return this.#sink.drained;
  }

  set drained(callback: (() => void) | undefined) {
    this.#sink.drained = callback;
  }

  openStream(): void {
    this.#sink.openStream();
  }

  message(text: string, message: Message, position?: string): boolean {
    return this.#sink.message(text, message, position);
  }

  moveTo(position: string): void {
    this.#sink.moveTo?.(position);
  }

  answer(body: string | Buffer): void {
    const head = typeof body === 'string' ? body.slice(0, HEAD) : body.toString('latin1', 0, HEAD);
    if (head.includes('"error"') && !head.includes('"result"') && isOfOtherEra(head)) this.#doubt();
    this.#sink.answer(body);
  }

  begin(length: number | undefined): void {
    this.#sink.begin(length);
  }

  data(chunk: Buffer): boolean {
    return this.#sink.data(chunk);
  }

  end(): void {
    this.#sink.end();
  }

  fail(error: GatewayError): void {
    if (error instanceof PostRefused) this.#doubt();
    this.#sink.fail(error);
  }
}

function isOfOtherEra(error: string): boolean {
  return error.includes(UNSUPPORTED) || NO_SESSION.test(error);
}
