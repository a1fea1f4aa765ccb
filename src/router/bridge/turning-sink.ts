import type { AnswerSink } from '../../downstream/port.ts';
import { type Id, type Message, replaceAt, resultText } from '../../protocol/envelope.ts';
import type { GatewayError } from '../../protocol/errors.ts';

export interface LaterRequest {
  readonly id: Id;
  readonly progressToken: Id | undefined;
}

type Ending = { readonly body: string } | { readonly error: GatewayError };

/**
 * The answer of one call on its way to a client that comes and goes: each of its requests has a sink of its own. What comes
 * while there is none is kept, if it is the end; what the server says before is for nobody then.
 */
export class TurningSink implements AnswerSink {
  drained: (() => void) | undefined;
  /** Told once, before the client hears of it. `isClean`: the server has answered. */
  onEnd: (isClean: boolean) => void = () => {};
  /** The server shows that it is alive. */
  onLife: () => void = () => {};
  readonly #first: Id;
  #client: AnswerSink | undefined;
  /** The client's request of now, where that is not the first. */
  #later: LaterRequest | undefined;
  #ending: Ending | undefined;
  #chunks: Buffer[] | undefined;

  /** `first`: id of the client's first request, which the server's answers carry. */
  constructor(first: Id) {
    this.#first = first;
  }

  /** `later`: the request that this sink is for, where it is not the first. */
  turnTo(client: AnswerSink, later?: LaterRequest): void {
    this.#client = client;
    this.#later = later;
    client.drained = () => this.drained?.();
    const ending = this.#ending;
    if (ending === undefined) return;
    if ('body' in ending) client.answer(this.#own(ending.body));
    else client.fail(ending.error);
  }

  /** Ends the client's request with a result; the call itself goes on. */
  turnAway(result: string): void {
    const client = this.#client;
    this.#client = undefined;
    client?.answer(resultText(this.#later?.id ?? this.#first, result));
  }

  openStream(): void {
    this.onLife();
    this.#client?.openStream();
  }

  message(text: string, message: Message): boolean {
    this.onLife();
    if (this.#client === undefined) return true;
    const own = this.#later === undefined ? text : this.#laterText(text, message, this.#later);
    return own === undefined || this.#client.message(own, message);
  }

  answer(body: string | Buffer): void {
    this.onEnd(true);
    const text = body.toString();
    if (this.#client === undefined) this.#ending = { body: text };
    else this.#client.answer(this.#own(text));
  }

  begin(length: number | undefined): void {
    this.onLife();
    // The id of a later request is put in where the whole is known.
    if (this.#client === undefined || this.#later !== undefined) this.#chunks = [];
    else this.#client.begin(length);
  }

  data(chunk: Buffer): boolean {
    this.onLife();
    if (this.#chunks === undefined) return this.#client?.data(chunk) ?? true;
    this.#chunks.push(chunk);
    return true;
  }

  end(): void {
    if (this.#chunks !== undefined) return this.answer(Buffer.concat(this.#chunks));
    this.onEnd(true);
    this.#client?.end();
  }

  fail(error: GatewayError): void {
    this.onEnd(false);
    if (this.#client === undefined) this.#ending = { error };
    else this.#client.fail(error);
  }

  #own(text: string): string {
    if (this.#later === undefined) return text;
    return replaceAt({ text }, ['id'], JSON.stringify(this.#later.id)) ?? text;
  }

  /** Progress goes by the token of the request that is told of it. */
  #laterText(text: string, message: Message, { progressToken }: LaterRequest): string | undefined {
    if (message.kind !== 'notification' || message.method !== 'notifications/progress') return text;
    if (progressToken === undefined) return undefined;
    return replaceAt({ text }, ['params', 'progressToken'], JSON.stringify(progressToken));
  }
}
