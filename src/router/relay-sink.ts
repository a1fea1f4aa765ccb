import type { AnswerSink, DownstreamServer } from '../downstream/port.ts';
import type { Message } from '../protocol/envelope.ts';
import type { GatewayError } from '../protocol/errors.ts';
import type { Outcome } from '../telemetry/types.ts';
import type { Conversation } from './conversation.ts';
import { outcomeOf } from './exchange.ts';
import { ForwardingSink } from './forwarding-sink.ts';

/** Between a server and a client: passes everything on, puts ids into the client's terms, and knows when it is over. */
export class RelaySink extends ForwardingSink {
  readonly #conversation: Conversation;
  readonly #server: DownstreamServer;
  readonly #onEnd: (outcome: Outcome, error?: GatewayError) => void;

  constructor(
    client: AnswerSink,
    conversation: Conversation,
    server: DownstreamServer,
    onEnd: (outcome: Outcome, error?: GatewayError) => void,
  ) {
    super(client);
    this.#conversation = conversation;
    this.#server = server;
    this.#onEnd = onEnd;
  }

  override message(_text: string, message: Message): boolean {
    const text = this.#conversation.toClient(this.#server, message);
    return text === undefined || this.client.message(text, message);
  }

  override answer(body: string | Buffer): void {
    this.#onEnd(answerOutcome(body));
    this.client.answer(body);
  }

  override end(): void {
    this.#onEnd('ok');
    this.client.end();
  }

  override fail(error: GatewayError): void {
    this.#onEnd(outcomeOf(error), error);
    this.client.fail(error);
  }
}

/** Read off the bytes: a search costs less than parsing what is only passed on. */
function answerOutcome(body: string | Buffer): Outcome {
  if (body.includes('"isError":true') || body.includes('"isError": true')) return 'tool_error';
  const head = typeof body === 'string' ? body.slice(0, 100) : body.toString('latin1', 0, 100);
  return head.includes('"error":') && !body.includes('"result":') ? 'error' : 'ok';
}
