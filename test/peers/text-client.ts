import * as rpc from '../support/rpc.ts';
import type { OpenWire, Wire } from './wire.ts';

/** A message with its text as it came. */
export interface Heard {
  readonly message: rpc.Message;
  readonly text: string;
}

type Asked = rpc.Message & { readonly id: rpc.Id; readonly method: string };

/** What a client says to a server's request: a result, or an error thrown. */
export type React = (asked: Asked) => unknown;

/** A client that keeps the text of all that a server says, and answers what it is asked. */
export class TextClient {
  react: React;
  /** What the server asked and told, in order; answers are not among it. */
  readonly heard: Heard[] = [];
  /** The answer to `initialize`. */
  hello: rpc.Message | undefined;
  readonly #wire = Promise.withResolvers<Wire>();
  readonly #waiting = new Map<rpc.Id, (heard: Heard) => void>();
  #lastId = 1000;

  constructor(react: React) {
    this.react = react;
  }

  async connect(open: OpenWire, initialize: Record<string, unknown>): Promise<void> {
    this.#wire.resolve(await open(initialize, (text) => this.#take(text)));
  }

  async request(method: string, params?: Record<string, unknown>): Promise<Heard> {
    const id = ++this.#lastId;
    const answered = Promise.withResolvers<Heard>();
    this.#waiting.set(id, answered.resolve);
    await this.#send(rpc.request(id, method, params));
    const answer = await answered.promise;
    this.#waiting.delete(id);
    return answer;
  }

  notify(method: string, params?: Record<string, unknown>): Promise<void> {
    return this.#send(rpc.notification(method, params));
  }

  async close(): Promise<void> {
    await (await this.#wire.promise).close();
  }

  async #send(message: rpc.Message): Promise<void> {
    await (await this.#wire.promise).send(message);
  }

  #take(text: string): void {
    const message = JSON.parse(text) as rpc.Message;
    if (rpc.isResponse(message)) {
      const waiting = this.#waiting.get(message.id);
      if (waiting === undefined) this.hello = message;
      else waiting({ message, text });
      return;
    }
    this.heard.push({ message, text });
    if (rpc.isRequest(message)) void this.#send(this.#answer(message));
  }

  #answer(asked: Asked): rpc.Message {
    if (asked.method === 'ping') return rpc.result(asked.id, {});
    try {
      return rpc.result(asked.id, this.react(asked));
    } catch (error) {
      return rpc.failure(asked.id, -1, (error as Error).message);
    }
  }
}
