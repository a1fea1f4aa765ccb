import type { AnswerSink } from '../downstream/port.ts';
import type { GatewayError } from '../protocol/errors.ts';
import { ForwardingSink } from './forwarding-sink.ts';

/** What a request ended with: an answer, one that was passed on in pieces, or an error. */
export type End = { readonly body?: string | Buffer; readonly error?: GatewayError };

/** Passes everything on, and tells of the end before the client hears of it. */
export class EndingSink extends ForwardingSink {
  readonly #onEnd: (end: End) => void;

  constructor(client: AnswerSink, onEnd: (end: End) => void) {
    super(client);
    this.#onEnd = onEnd;
  }

  override answer(body: string | Buffer): void {
    this.#onEnd({ body });
    this.client.answer(body);
  }

  override end(): void {
    this.#onEnd({});
    this.client.end();
  }

  override fail(error: GatewayError): void {
    this.#onEnd({ error });
    this.client.fail(error);
  }
}
