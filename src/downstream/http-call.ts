import type { Id } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { Deadline, notRead } from './deadline.ts';
import type { HttpExchange } from './http-exchange.ts';
import type { AnswerSink, Deadlines } from './port.ts';

/** What a call needs of the link that it is made on. */
export interface CallLink {
  readonly serverName: string;
  /** An exchange that begins with a POST, or, with `lastEventId`, with the rest of an answer that has begun. */
  exchange(call: HttpCall, lastEventId: string | undefined): HttpExchange;
  /** Resolves when the stream is open that is to be open first; undefined where it is, or none is. */
  readonly opening: Promise<void> | undefined;
  /** `traced`: headers besides those of all requests. */
  post(text: string, exchange: HttpExchange, traced: readonly string[] | undefined): void;
  get(lastEventId: string, exchange: HttpExchange): void;
  /** Opens a session in place of the one that the call was sent in. */
  renew(): () => Promise<void>;
  /** Tells the server that nobody waits any more. */
  cancelled(id: Id, reason: string): void;
}

/** One request on a link until its answer, over a session that is lost and streams that break, within its deadlines. */
export class HttpCall {
  readonly id: Id;
  readonly sink: AnswerSink;
  readonly #link: CallLink;
  readonly #deadline: Deadline;
  #exchange: HttpExchange | undefined;
  #renew: (() => Promise<void>) | undefined;
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

  post(text: string, traced: readonly string[] | undefined): void {
    this.#text = text;
    this.#traced = traced;
    this.#renew = this.#link.renew();
    const exchange = this.#link.exchange(this, undefined);
    this.#exchange = exchange;
    const { opening } = this.#link;
    if (opening === undefined) return this.#link.post(text, exchange, traced);
    // What the server says outside of the call is for this stream, and would be lost before it is open.
    void opening.then(() => !this.#settled && this.#link.post(text, exchange, traced));
  }

  resume(lastEventId: string): void {
    const exchange = this.#link.exchange(this, lastEventId);
    this.#exchange = exchange;
    this.#link.get(lastEventId, exchange);
  }

  cancel(reason: GatewayError): void {
    if (this.#settled) return;
    this.#exchange?.abandon();
    this.settle();
    this.#link.cancelled(this.id, reason.message);
    this.sink.fail(reason);
  }

  /** A sign of life. */
  alive(): void {
    this.#deadline.refresh();
  }

  settle(): void {
    this.#settled = true;
    this.#deadline.clear();
  }

  /** A server that does not know the session has not run the call: trying once more is safe. */
  sessionLost(): void {
    const text = this.#text;
    if (this.#healed || text === undefined || this.#renew === undefined) {
      const problem = `Server "${this.#link.serverName}" keeps losing its session`;
      return this.#fail(new GatewayError(Code.DownstreamSessionLost, problem));
    }
    this.#healed = true;
    this.#renew().then(
      () => !this.#settled && this.post(text, this.#traced),
      (error) => this.#fail(GatewayError.from(error)),
    );
  }

  #fail(error: GatewayError): void {
    this.settle();
    this.sink.fail(error);
  }
}
