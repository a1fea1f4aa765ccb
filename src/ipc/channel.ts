import { Code, GatewayError } from '../protocol/errors.ts';
import type { Logger } from '../telemetry/types.ts';
import { type Failure, fromFailure, otherEndGone, toFailure } from './failure.ts';

/** What carries messages between two processes, in order. They are copied when they are sent. */
export interface Wire {
  /** Does nothing once the other end has gone. */
  send(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Called once, when the other end has gone. */
  onClose(listener: () => void): void;
}

/** Answers a call; what it throws or rejects with reaches the caller. */
export type Handler = (...args: never[]) => unknown;

type Message =
  | { readonly call: number; readonly name: string; readonly args: readonly unknown[] }
  | { readonly tell: string; readonly args: readonly unknown[] }
  | { readonly answer: number; readonly value: unknown }
  | { readonly answer: number; readonly failure: Failure };

interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

/** Calls between two processes of one gateway, either way. Both ends are of the same version. */
export class Channel {
  readonly #wire: Wire;
  readonly #logger: Logger | undefined;
  readonly #handlers = new Map<string, Handler>();
  readonly #waiting = new Map<number, Waiting>();
  #lastCall = 0;
  #isClosed = false;

  constructor(wire: Wire, logger?: Logger) {
    this.#wire = wire;
    this.#logger = logger;
    wire.onMessage((message) => this.#receive(message as Message));
    wire.onClose(() => {
      this.#isClosed = true;
      for (const { reject } of this.#waiting.values()) reject(otherEndGone());
      this.#waiting.clear();
      this.#handlers.clear();
    });
  }

  /** Says who answers calls of this name, and hears what is told by it. */
  serve(name: string, handler: Handler): void {
    if (!this.#isClosed) this.#handlers.set(name, handler);
  }

  /** Rejects with what the other end threw, or with Unavailable where it has gone or nobody serves this there. */
  call(name: string, ...args: readonly unknown[]): Promise<unknown> {
    if (this.#isClosed) return Promise.reject(otherEndGone());
    const call = ++this.#lastCall;
    return new Promise((resolve, reject) => {
      this.#waiting.set(call, { resolve, reject });
      this.#wire.send({ call, name, args } satisfies Message);
    });
  }

  /** As {@link call}, for what is not answered. */
  tell(name: string, ...args: readonly unknown[]): void {
    if (!this.#isClosed) this.#wire.send({ tell: name, args } satisfies Message);
  }

  #receive(message: Message): void {
    if ('call' in message) {
      void this.#answer(message.call, message.name, message.args);
    } else if ('tell' in message) {
      this.#run(message.tell, message.args).catch((err: unknown) => {
        this.#logger?.error('A message between processes of the gateway failed', { kind: message.tell, err });
      });
    } else {
      const waiting = this.#waiting.get(message.answer);
      this.#waiting.delete(message.answer);
      if ('failure' in message) waiting?.reject(fromFailure(message.failure));
      else waiting?.resolve(message.value);
    }
  }

  async #answer(call: number, name: string, args: readonly unknown[]): Promise<void> {
    try {
      const value = await this.#run(name, args);
      this.#wire.send({ answer: call, value } satisfies Message);
    } catch (error) {
      // The cause does not travel, and this is the only place that has it.
      const { code } = GatewayError.from(error);
      if (code === Code.Internal)
        this.#logger?.error('A call between processes failed', { name, err: error });
      this.#wire.send({ answer: call, failure: toFailure(error) } satisfies Message);
    }
  }

  async #run(name: string, args: readonly unknown[]): Promise<unknown> {
    const handler = this.#handlers.get(name);
    if (handler === undefined) throw new GatewayError(Code.Unavailable, 'Starting', { retryAfter: 1 });
    return handler(...(args as never[]));
  }
}
