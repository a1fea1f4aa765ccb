import type { Id, Message } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { Deadline, notRead } from './deadline.ts';
import { type ExchangeOwner, HttpExchange } from './http-exchange.ts';
import type { AnswerSink, Deadlines } from './port.ts';

/** What a call needs of the link that it is made on. */
export interface CallLink {
  readonly serverName: string;
  readonly maxMessageBytes: number;
  /** The session that a request is sent in now; undefined where the server has none. */
  readonly sessionId: string | undefined;
  /** Resolves when the stream is open that is to be open first; undefined where it is, or none is. */
  readonly opening: Promise<void> | undefined;
  /** `traced`: headers besides those of all requests. */
  post(text: string, exchange: HttpExchange, traced: readonly string[] | undefined): void;
  get(lastEventId: string, exchange: HttpExchange): void;
  /** Opens a session in place of the one that the call was sent in. */
  renew(sessionId: string | undefined): Promise<void>;
  /** Tells the server that nobody waits any more. */
  cancelled(id: Id, reason: string): void;
  intercept(message: Message): boolean;
  positionOf(eventId: string): string | undefined;
}

/**
 * One request on a link until its answer, over a session that is lost and streams that break, within its deadlines. Each call
 * makes one, so it owns its exchanges itself, without an object of closures in between.
 */
export class HttpCall implements ExchangeOwner {
  readonly id: Id;
  readonly sink: AnswerSink;
  lastEventId: string | undefined;
  readonly #link: CallLink;
  readonly #deadline: Deadline;
  #exchange: HttpExchange | undefined;
  /** That it was sent in. */
  #sessionId: string | undefined;
  /** The request, once it is sent. */
  #text: string | undefined;
  #traced: readonly string[] | undefined;
  #healed = false;
  #settled = false;

  constructor(link: CallLink, id: Id, sink: AnswerSink, deadlines: Deadlines) {
    this.id = id;
    this.sink = sink;
    this.#link = link;
    const expired = (error: GatewayError) => this.cancel(this.#exchange?.isPaused ? notRead() : error);
    this.#deadline = new Deadline(deadlines, expired, link.serverName);
  }

  get serverName(): string {
    return this.#link.serverName;
  }

  get maxMessageBytes(): number {
    return this.#link.maxMessageBytes;
  }

  get hasSession(): boolean {
    return this.#sessionId !== undefined;
  }

  post(text: string, traced: readonly string[] | undefined): void {
    this.#text = text;
    this.#traced = traced;
    const exchange = this.#begin();
    const { opening } = this.#link;
    if (opening === undefined) return this.#link.post(text, exchange, traced);
    // What the server says outside of the call is for this stream, and would be lost before it is open.
    void opening.then(() => !this.#settled && this.#link.post(text, exchange, traced));
  }

  resume(lastEventId: string): void {
    this.lastEventId = lastEventId;
    this.#link.get(lastEventId, this.#begin());
  }

  askForRest(lastEventId: string): void {
    if (this.#exchange !== undefined) this.#link.get(lastEventId, this.#exchange);
  }

  cancel(reason: GatewayError): void {
    if (this.#settled) return;
    this.#exchange?.abandon();
    this.onDone();
    this.#link.cancelled(this.id, reason.message);
    this.sink.fail(reason);
  }

  /** A sign of life. */
  onActivity(): void {
    this.#deadline.refresh();
  }

  onDone(): void {
    this.#settled = true;
    this.#deadline.clear();
  }

  /** A server that does not know the session has not run the call: trying once more is safe. */
  onSessionLost(): void {
    const text = this.#text;
    if (this.#healed || text === undefined) {
      const problem = `Server "${this.#link.serverName}" keeps losing its session`;
      return this.#fail(new GatewayError(Code.DownstreamSessionLost, problem));
    }
    this.#healed = true;
    this.#link.renew(this.#sessionId).then(
      () => !this.#settled && this.post(text, this.#traced),
      (error) => this.#fail(GatewayError.from(error)),
    );
  }

  intercept(message: Message): boolean {
    return this.#link.intercept(message);
  }

  positionOf(eventId: string): string | undefined {
    return this.#link.positionOf(eventId);
  }

  #begin(): HttpExchange {
    this.#sessionId = this.#link.sessionId;
    this.#exchange = new HttpExchange(this);
    return this.#exchange;
  }

  #fail(error: GatewayError): void {
    this.onDone();
    this.sink.fail(error);
  }
}
