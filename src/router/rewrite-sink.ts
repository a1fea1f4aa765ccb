import type { AnswerSink } from '../downstream/port.ts';
import type { Message } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';

/** Changes the answer on its way to the client. The answer is held until it is whole: for kinds of answers that are small. */
export class RewriteSink implements AnswerSink {
  readonly #client: AnswerSink;
  readonly #rewrite: (text: string) => string;
  #chunks: Buffer[] = [];

  constructor(client: AnswerSink, rewrite: (text: string) => string) {
    this.#client = client;
    this.#rewrite = rewrite;
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

  message(text: string, message: Message): boolean {
    return this.#client.message(text, message);
  }

  begin(): void {}

  data(chunk: Buffer): boolean {
    this.#chunks.push(chunk);
    return true;
  }

  end(): void {
    const body = Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.answer(body);
  }

  fail(error: GatewayError): void {
    this.#client.fail(error);
  }

  /** A large answer was looked at only where it begins, so the rest may be anything. */
  answer(body: string | Buffer): void {
    let text: string;
    try {
      text = this.#rewrite(body.toString());
    } catch (cause) {
      const reason = 'The server answered what is not a JSON-RPC response';
      return this.#client.fail(new GatewayError(Code.DownstreamProtocol, reason, { cause }));
    }
    this.#client.answer(text);
  }
}
