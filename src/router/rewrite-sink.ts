import { ForwardingSink } from '../downstream/forwarding-sink.ts';
import type { AnswerSink } from '../downstream/port.ts';
import type { Message } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';

/** Changes the answer on its way to the client. The answer is held until it is whole: for kinds of answers that are small. */
export class RewriteSink extends ForwardingSink {
  readonly #rewrite: (text: string) => string;
  #chunks: Buffer[] = [];

  constructor(client: AnswerSink, rewrite: (text: string) => string) {
    super(client);
    this.#rewrite = rewrite;
  }

  /** Without positions: another node would go on with an answer that it does not know to change. */
  override message(text: string, message: Message): boolean {
    return this.client.message(text, message);
  }

  override moveTo(): void {}

  override begin(): void {}

  override data(chunk: Buffer): boolean {
    this.#chunks.push(chunk);
    return true;
  }

  override end(): void {
    const body = Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.answer(body);
  }

  /** A large answer was looked at only where it begins, so the rest may be anything. */
  override answer(body: string | Buffer): void {
    let text: string;
    try {
      text = this.#rewrite(body.toString());
    } catch (cause) {
      const reason = 'The server answered what is not a JSON-RPC response';
      return this.client.fail(new GatewayError(Code.DownstreamProtocol, reason, { cause }));
    }
    this.client.answer(text);
  }
}
