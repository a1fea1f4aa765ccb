import type { Principal } from '../auth/principal.ts';
import { ForwardingSink } from '../downstream/forwarding-sink.ts';
import type { AnswerSink } from '../downstream/port.ts';
import type { Message, RequestMessage } from '../protocol/envelope.ts';
import type { GatewayError } from '../protocol/errors.ts';
import { keptBody } from '../recording/body.ts';
import type { Exchanged, Recorder } from '../recording/recorder.ts';
import type { ClientSink } from '../router/exchange.ts';
import type { Logger } from '../telemetry/types.ts';

export interface TapOptions {
  readonly recorder: Recorder;
  readonly logger: Logger;
  /** Whether requests and answers go to the log, too. */
  readonly logsBodies: boolean;
}

/** Sees requests and answers of those who are recorded, and of everybody where bodies are logged. */
export class Taps {
  readonly #options: TapOptions;
  readonly #logsBodies: boolean;

  constructor(options: TapOptions) {
    this.#options = options;
    this.#logsBodies = options.logsBodies && options.logger.enabled('debug');
  }

  /** Whether there is anything to see: for most gateways, never. */
  get isOn(): boolean {
    return this.#logsBodies || this.#options.recorder.isOn;
  }

  /** A sink that passes everything on. `session`: tells sessions apart, where there is one. */
  over<Sink extends AnswerSink>(
    principal: Principal,
    message: RequestMessage,
    sink: Sink,
    session?: string,
  ): Sink | ClientSink {
    const { recorder } = this.#options;
    if (!this.#logsBodies && !recorder.records(principal)) return sink;
    return new TappedSink(sink, (came) => {
      const exchanged = { ...came, session, method: message.method, request: message.text };
      recorder.record(principal, exchanged);
      if (this.#logsBodies) this.#log(principal, message, exchanged);
    });
  }

  #log(principal: Principal, message: RequestMessage, exchanged: Exchanged): void {
    const { session, method, answer, failure } = exchanged;
    this.#options.logger.debug('bodies of a request', {
      request: message.id,
      ...(session === undefined ? {} : { session }),
      method,
      user: principal.userId,
      asked: keptBody(exchanged.request) ?? '(left out)',
      answered: failure ?? (answer === undefined ? undefined : keptBody(answer)) ?? '(left out)',
    });
  }
}

type Came = Pick<Exchanged, 'answer' | 'answerBytes' | 'messages' | 'failure' | 'durationMs'>;

class TappedSink extends ForwardingSink implements ClientSink {
  readonly #onEnd: (came: Came) => void;
  readonly #startedAt = performance.now();
  #messages = 0;
  #bytes = 0;

  constructor(client: AnswerSink, onEnd: (came: Came) => void) {
    super(client);
    this.#onEnd = onEnd;
  }

  comeBack(): string | undefined {
    return (this.client as ClientSink).comeBack?.();
  }

  override message(text: string, message: Message, position?: string): boolean {
    this.#messages++;
    return super.message(text, message, position);
  }

  override answer(body: string | Buffer): void {
    this.#end({ answer: body, answerBytes: Buffer.byteLength(body) });
    super.answer(body);
  }

  override data(chunk: Buffer): boolean {
    this.#bytes += chunk.length;
    return super.data(chunk);
  }

  override end(): void {
    this.#end({ answerBytes: this.#bytes });
    super.end();
  }

  override fail(error: GatewayError): void {
    this.#end({ failure: error.message });
    super.fail(error);
  }

  #end({ answer, answerBytes = 0, failure }: Partial<Came>): void {
    const durationMs = performance.now() - this.#startedAt;
    this.#onEnd({ answer, answerBytes, failure, durationMs, messages: this.#messages });
  }
}
