import { ConnectionLost } from '../downstream/connection-lost.ts';
import type { AnswerSink, DownstreamServer } from '../downstream/port.ts';
import { type Message, own } from '../protocol/envelope.ts';
import { GatewayError } from '../protocol/errors.ts';
import type { Outcome } from '../telemetry/types.ts';
import type { Conversation } from './conversation.ts';
import { outcomeOf } from './exchange.ts';
import { ForwardingSink } from './forwarding-sink.ts';
import { encodeStreamPosition } from './stream-position.ts';

export interface RelayOptions {
  readonly conversation: Conversation;
  readonly server: DownstreamServer;
  readonly onEnd: (outcome: Outcome, error?: GatewayError) => void;
  /** Other nodes can go on with the answer: messages say where it stands. */
  readonly isShared?: boolean;
  /**
   * Asked when no answer will come and nothing of one has gone out. True: somebody goes on with it, through this sink or
   * another.
   */
  readonly again?: (error: GatewayError) => boolean;
  /** The call may be run again, or is: the client has been told so much of its progress, if any. */
  readonly repeats?: { readonly progress: number | undefined };
}

/** Between a server and a client: passes everything on, puts ids into the client's terms, and knows when it is over. */
export class RelaySink extends ForwardingSink {
  readonly #options: RelayOptions;
  #hasBegun = false;
  #progress: number | undefined;
  /** Progress up to here has been told before: it only ever rises (2025-11-25, progress). */
  #floor: number | undefined;

  constructor(client: AnswerSink, options: RelayOptions) {
    super(client);
    this.#options = options;
    this.#progress = options.repeats?.progress;
    this.#floor = this.#progress;
  }

  /** Highest progress that the client has been told, of a call that may be run again. */
  get progress(): number | undefined {
    return this.#progress;
  }

  /** The call is run again from its beginning. */
  restart(): void {
    this.#floor = this.#progress;
  }

  override message(_text: string, message: Message, position?: string): boolean {
    const { conversation, server, repeats } = this.#options;
    const progress = repeats === undefined ? undefined : progressOf(message);
    if (progress !== undefined) {
      if (this.#floor !== undefined && progress <= this.#floor) return true;
      this.#progress = progress;
    }
    const text = conversation.toClient(server, message);
    return text === undefined || this.client.message(text, message, this.#position(position));
  }

  override moveTo(position: string): void {
    const own = this.#position(position);
    if (own !== undefined) this.client.moveTo?.(own);
  }

  override answer(body: string | Buffer): void {
    this.#options.onEnd(answerOutcome(body));
    this.client.answer(body);
  }

  override begin(length: number | undefined): void {
    this.#hasBegun = true;
    this.client.begin(length);
  }

  override end(): void {
    this.#options.onEnd('ok');
    this.client.end();
  }

  override fail(error: GatewayError): void {
    if (!this.#hasBegun && this.#options.again?.(error)) return;
    this.#options.onEnd(outcomeOf(error), error);
    this.client.fail(error instanceof ConnectionLost ? outcomeUnknown(error) : error);
  }

  #position(at: string | undefined): string | undefined {
    const { isShared, conversation, server } = this.#options;
    if (!isShared || (at === undefined && this.#progress === undefined)) return undefined;
    const position = { serverId: server.id, at, progress: this.#progress };
    return encodeStreamPosition(conversation.session, position);
  }
}

function progressOf(message: Message): number | undefined {
  if (message.kind !== 'notification' || message.method !== 'notifications/progress') return undefined;
  const progress = message.params === undefined ? undefined : own(message.params, 'progress');
  return typeof progress === 'number' ? progress : undefined;
}

function outcomeUnknown(error: ConnectionLost): GatewayError {
  const { code, message } = error;
  if (message.includes('outcome')) return error;
  return new GatewayError(code, `${message}; the outcome of the call is unknown`, { cause: error });
}

/** Read off the bytes: a search costs less than parsing what is only passed on. */
export function answerOutcome(body: string | Buffer): Outcome {
  if (body.includes('"isError":true') || body.includes('"isError": true')) return 'tool_error';
  const head = typeof body === 'string' ? body.slice(0, 100) : body.toString('latin1', 0, 100);
  return head.includes('"error":') && !body.includes('"result":') ? 'error' : 'ok';
}
