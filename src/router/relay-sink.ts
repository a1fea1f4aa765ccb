import type { AnswerSink, DownstreamServer } from '../downstream/port.ts';
import type { Message } from '../protocol/envelope.ts';
import type { GatewayError } from '../protocol/errors.ts';
import type { Outcome } from '../telemetry/types.ts';
import type { Conversation } from './conversation.ts';
import { outcomeOf } from './exchange.ts';

/** Between a server and a client: passes everything on, puts ids into the client's terms, and knows when it is over. */
export class RelaySink implements AnswerSink {
  readonly #client: AnswerSink;
  readonly #conversation: Conversation;
  readonly #server: DownstreamServer;
  readonly #onEnd: (outcome: Outcome, error?: GatewayError) => void;

  constructor(
    client: AnswerSink,
    conversation: Conversation,
    server: DownstreamServer,
    onEnd: (outcome: Outcome, error?: GatewayError) => void,
  ) {
    this.#client = client;
    this.#conversation = conversation;
    this.#server = server;
    this.#onEnd = onEnd;
  }

  get drained(): (() => void) | undefined {
    return this.#client.drained;
  }

  set drained(callback: (() => void) | undefined) {
    this.#client.drained = callback;
  }

  openStream(): void {
    this.#client.openStream();
  }

  message(_text: string, message: Message): boolean {
    const text = this.#conversation.toClient(this.#server, message);
    return text === undefined || this.#client.message(text, message);
  }

  answer(body: string | Buffer): void {
    this.#onEnd(answerOutcome(body));
    this.#client.answer(body);
  }

  begin(length: number | undefined): void {
    this.#client.begin(length);
  }

  data(chunk: Buffer): boolean {
    return this.#client.data(chunk);
  }

  end(): void {
    this.#onEnd('ok');
    this.#client.end();
  }

  fail(error: GatewayError): void {
    this.#onEnd(outcomeOf(error), error);
    this.#client.fail(error);
  }
}

/** Read off the bytes: a search costs less than parsing what is only passed on. */
function answerOutcome(body: string | Buffer): Outcome {
  if (body.includes('"isError":true') || body.includes('"isError": true')) return 'tool_error';
  const head = typeof body === 'string' ? body.slice(0, 100) : body.toString('latin1', 0, 100);
  return head.includes('"error":') && !body.includes('"result":') ? 'error' : 'ok';
}
