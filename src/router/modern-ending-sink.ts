import { ForwardingSink } from '../downstream/forwarding-sink.ts';
import type { AnswerSink } from '../downstream/port.ts';
import type { EventLog } from '../events/event.ts';
import type { Message } from '../protocol/envelope.ts';
import type { GatewayError } from '../protocol/errors.ts';
import { withAddress } from './login-needed.ts';
import type { RisingProgress } from './rising-progress.ts';
import { outcomeUnknown } from './second-run.ts';

/** What a request ended with: an answer, one that was passed on in pieces, or an error. */
export type End = {
  readonly body?: string | Buffer;
  readonly error?: GatewayError;
  /** Of the answer. */
  readonly bytes?: number;
};

/** Of a call that may be run again. */
export interface Repeats {
  readonly progress: RisingProgress;
  /** Asked when no answer will come and nothing of one has gone out. True: the call goes on. */
  readonly again: (error: GatewayError) => boolean;
}

/** An answer to be given in the place of an error; undefined for none. */
export type InPlaceOf = (error: GatewayError) => string | undefined;

/** Passes everything on, and tells of the end before the client hears of it. */
export class EndingSink extends ForwardingSink {
  readonly #onEnd: (end: End) => void;
  readonly #repeats: Repeats | undefined;
  readonly #events: EventLog | undefined;
  readonly #inPlaceOf: InPlaceOf | undefined;
  #hasBegun = false;
  #bytes = 0;

  /** `events`: told of the end by `onEnd`, so that the client hears of it after that. */
  constructor(
    client: AnswerSink,
    onEnd: (end: End) => void,
    repeats?: Repeats,
    events?: EventLog,
    inPlaceOf?: InPlaceOf,
  ) {
    super(client);
    this.#onEnd = onEnd;
    this.#repeats = repeats;
    this.#events = events;
    this.#inPlaceOf = inPlaceOf;
  }

  override message(text: string, message: Message, position?: string): boolean {
    if (this.#repeats?.progress.passes(message) === false) return true;
    return this.client.message(text, message, position);
  }

  override answer(body: string | Buffer): void {
    this.#onEnd({ body, bytes: Buffer.byteLength(body) });
    if (this.#events === undefined) this.client.answer(body);
    else this.#events.answered(() => this.client.answer(body));
  }

  override begin(length: number | undefined): void {
    this.#hasBegun = true;
    this.client.begin(length);
  }

  override data(chunk: Buffer): boolean {
    this.#bytes += chunk.length;
    return this.client.data(chunk);
  }

  override end(): void {
    this.#onEnd({ bytes: this.#bytes });
    if (this.#events === undefined) this.client.end();
    else this.#events.answered(() => this.client.end());
  }

  override fail(error: GatewayError): void {
    if (!this.#hasBegun && this.#repeats?.again(error)) return;
    this.#onEnd({ error });
    const answer = this.#hasBegun ? undefined : this.#inPlaceOf?.(error);
    const told = withAddress(outcomeUnknown(error));
    const tell = () => (answer === undefined ? this.client.fail(told) : this.client.answer(answer));
    if (this.#events === undefined) tell();
    else this.#events.answered(tell);
  }
}
