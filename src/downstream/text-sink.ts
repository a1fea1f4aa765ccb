import type { GatewayError } from '../protocol/errors.ts';
import type { AnswerSink } from './port.ts';

/** Collects an answer as text, and lets go of what comes before it. */
export class TextSink implements AnswerSink {
  drained: (() => void) | undefined;
  readonly #resolve: (text: string) => void;
  readonly #reject: (error: GatewayError) => void;
  #chunks: Buffer[] = [];

  constructor(resolve: (text: string) => void, reject: (error: GatewayError) => void) {
    this.#resolve = resolve;
    this.#reject = reject;
  }

  openStream(): void {}

  message(): boolean {
    return true;
  }

  begin(): void {}

  data(chunk: Buffer): boolean {
    this.#chunks.push(chunk);
    return true;
  }

  end(): void {
    this.answer(Buffer.concat(this.#chunks));
  }

  answer(body: string | Buffer): void {
    this.#resolve(body.toString());
  }

  fail(error: GatewayError): void {
    this.#reject(error);
  }
}
