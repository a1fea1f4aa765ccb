import { ForwardingSink } from '../downstream/forwarding-sink.ts';
import type { AnswerSink } from '../downstream/port.ts';
import type { Message } from '../protocol/envelope.ts';
import type { GatewayError } from '../protocol/errors.ts';
import type { RisingProgress } from './rising-progress.ts';
import { outcomeUnknown } from './second-run.ts';

/** What a request ended with: an answer, one that was passed on in pieces, or an error. */
export type End = { readonly body?: string | Buffer; readonly error?: GatewayError };

/** Of a call that may be run again. */
export interface Repeats {
  readonly progress: RisingProgress;
  /** Asked when no answer will come and nothing of one has gone out. True: the call goes on. */
  readonly again: (error: GatewayError) => boolean;
}

/** Passes everything on, and tells of the end before the client hears of it. */
export class EndingSink extends ForwardingSink {
  readonly #onEnd: (end: End) => void;
  readonly #repeats: Repeats | undefined;
  #hasBegun = false;

  constructor(client: AnswerSink, onEnd: (end: End) => void, repeats?: Repeats) {
    super(client);
    this.#onEnd = onEnd;
    this.#repeats = repeats;
  }

  override message(text: string, message: Message, position?: string): boolean {
    if (this.#repeats?.progress.passes(message) === false) return true;
    return this.client.message(text, message, position);
  }

  override answer(body: string | Buffer): void {
    this.#onEnd({ body });
    this.client.answer(body);
  }

  override begin(length: number | undefined): void {
    this.#hasBegun = true;
    this.client.begin(length);
  }

  override end(): void {
    this.#onEnd({});
    this.client.end();
  }

  override fail(error: GatewayError): void {
    if (!this.#hasBegun && this.#repeats?.again(error)) return;
    this.#onEnd({ error });
    this.client.fail(outcomeUnknown(error));
  }
}
