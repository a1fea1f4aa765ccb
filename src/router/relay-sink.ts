import { ForwardingSink } from '../downstream/forwarding-sink.ts';
import type { AnswerSink, DownstreamServer } from '../downstream/port.ts';
import type { EventLog } from '../events/event.ts';
import type { Message } from '../protocol/envelope.ts';
import type { GatewayError } from '../protocol/errors.ts';
import type { Outcome } from '../telemetry/types.ts';
import type { Conversation } from './conversation.ts';
import { outcomeOf } from './exchange.ts';
import { toldOfLogin } from './login-needed.ts';
import type { RisingProgress } from './rising-progress.ts';
import { outcomeUnknown } from './second-run.ts';
import { encodeStreamPosition } from './stream-position.ts';

/** The call that an answer is for. */
export interface RelayOwner {
  readonly conversation: Conversation;
  readonly server: DownstreamServer;
  /** Told of the end by `onEnd`: the client hears of it after that. */
  readonly events?: EventLog | undefined;
  /** Other nodes can go on with the answer: messages say where it stands. */
  readonly isShared?: boolean;
  /** Of a call that may be run again, or is. */
  readonly progress?: RisingProgress | undefined;
  /** `bytes`: of the answer. */
  onEnd(outcome: Outcome, error?: GatewayError, bytes?: number): void;
  /**
   * Asked when no answer will come and nothing of one has gone out. True: somebody goes on with it, through this sink or
   * another.
   */
  again?(error: GatewayError): boolean;
}

/** Between a server and a client: passes everything on, puts ids into the client's terms, and knows when it is over. */
export class RelaySink extends ForwardingSink {
  readonly #owner: RelayOwner;
  #hasBegun = false;
  #bytes = 0;

  constructor(client: AnswerSink, owner: RelayOwner) {
    super(client);
    this.#owner = owner;
  }

  override message(_text: string, message: Message, position?: string): boolean {
    const { conversation, server, progress } = this.#owner;
    if (progress !== undefined && !progress.passes(message)) return true;
    const text = conversation.toClient(server, message);
    return text === undefined || this.client.message(text, message, this.#position(position));
  }

  override moveTo(position: string): void {
    const own = this.#position(position);
    if (own !== undefined) this.client.moveTo?.(own);
  }

  override answer(body: string | Buffer): void {
    const { events } = this.#owner;
    this.#owner.onEnd(answerOutcome(body), undefined, Buffer.byteLength(body));
    if (events === undefined) this.client.answer(body);
    else events.answered(() => this.client.answer(body));
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
    const { events } = this.#owner;
    this.#owner.onEnd('ok', undefined, this.#bytes);
    if (events === undefined) this.client.end();
    else events.answered(() => this.client.end());
  }

  override fail(error: GatewayError): void {
    if (!this.#hasBegun && this.#owner.again?.(error)) return;
    const { events, conversation } = this.#owner;
    this.#owner.onEnd(outcomeOf(error), error);
    const told = toldOfLogin(outcomeUnknown(error), conversation.session);
    if (events === undefined) this.client.fail(told);
    else events.answered(() => this.client.fail(told));
  }

  #position(at: string | undefined): string | undefined {
    const { isShared, conversation, server, progress } = this.#owner;
    if (!isShared || (at === undefined && progress?.told === undefined)) return undefined;
    const position = { serverId: server.id, at, progress: progress?.told };
    return encodeStreamPosition(conversation.session, position);
  }
}

/**
 * Read off the bytes: a search costs less than parsing what is only passed on. It is for letters that are rare first: what
 * begins with a quote, or with a common letter, would be looked at in every line.
 */
export function answerOutcome(body: string | Buffer): Outcome {
  if (body.includes('Error":') && (body.includes('"isError":true') || body.includes('"isError": true')))
    return 'tool_error';
  const head = typeof body === 'string' ? body.slice(0, 100) : body.toString('latin1', 0, 100);
  return head.includes('"error":') && !body.includes('"result":') ? 'error' : 'ok';
}
