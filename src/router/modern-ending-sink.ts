import type { GatewayError } from '../protocol/errors.ts';
import { ForwardingSink } from './forwarding-sink.ts';
import type { ModernSink } from './modern-caller.ts';

/** What a request ended with: an answer, one that was passed on in pieces, or an error. */
export type End = { readonly body?: string | Buffer; readonly error?: GatewayError };

/** Passes everything on, and tells of the end before the client hears of it. */
export class EndingSink extends ForwardingSink<ModernSink> {
  readonly #onEnd: (end: End) => void;

  constructor(client: ModernSink, onEnd: (end: End) => void) {
    super(client);
    this.#onEnd = onEnd;
  }

  override answer(body: string | Buffer, status?: number): void {
    this.#onEnd({ body });
    this.client.answer(body, status);
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
