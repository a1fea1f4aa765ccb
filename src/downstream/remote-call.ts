import type { BusMessage } from '../coordination/bus.ts';
import { parseMessage } from '../protocol/envelope.ts';
import type { GatewayError } from '../protocol/errors.ts';
import { errorOf, LINK, MAX_DEPTH, WINDOW_CHARS } from './link-messages.ts';
import { InOrder } from './numbered-messages.ts';
import type { Outgoing } from './outgoing.ts';

/** How long after its last deadline a call is given up whose owner should have ended it. */
const GRACE_MS = 5000;

/** A client that has read this much more is worth a message. */
const NEWS_CHARS = WINDOW_CHARS / 4;

/** One request that another node runs, and its answer as it comes in. */
export class RemoteCall {
  readonly outgoing: Outgoing;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  /** Characters that have come, and how many of them the owner knows to have been read. */
  received = 0;
  /** Since when it is not known whether the owner has it, in milliseconds since the epoch. */
  unsureSince: number | undefined;
  readonly #order = new InOrder();
  readonly #tell: (upTo: number) => void;
  #told = 0;
  #isStalled = false;
  #isOver = false;

  /** `tell`: says to the owner up to where the client has read. */
  constructor(outgoing: Outgoing, tell: (upTo: number) => void) {
    this.outgoing = outgoing;
    this.expiresAt = Date.now() + outgoing.deadlines.totalMs + GRACE_MS;
    this.#tell = tell;
  }

  /** Up to where the client has read, in characters. */
  get read(): number {
    return this.#isStalled ? this.#told : this.received;
  }

  /** Nothing more is expected. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Takes a piece of the answer, and what had to wait for it, to the client. Throws for one that is not MCP. */
  take(message: BusMessage): void {
    this.unsureSince = undefined;
    this.#order.take(message, (next) => {
      if (!this.#isOver) this.#give(next);
    });
  }

  fail(error: GatewayError): void {
    this.end();
    this.outgoing.sink.fail(error);
  }

  /** Nobody waits for the client any more. */
  end(): void {
    this.#isOver = true;
    this.#goOn();
  }

  #give(message: BusMessage): void {
    const { sink } = this.outgoing;
    switch (message.kind) {
      case LINK.message: {
        const text = String(message['text']);
        return this.#passed(text.length, sink.message(text, parseMessage(text, MAX_DEPTH)));
      }
      case LINK.begin:
        return sink.begin(Number(message['length']));
      case LINK.data: {
        const text = String(message['text']);
        return this.#passed(text.length, sink.data(Buffer.from(text)));
      }
      case LINK.end:
        this.end();
        return sink.end();
      case LINK.failed:
        return this.fail(errorOf(message));
      default:
        this.end();
        return sink.answer(String(message['text']));
    }
  }

  #goOn(): void {
    if (this.#isStalled) this.outgoing.sink.drained = undefined;
    this.#isStalled = false;
  }

  #passed(chars: number, wantsMore: boolean): void {
    this.received += chars;
    if (wantsMore && !this.#isStalled) return this.#consider();
    if (this.#isStalled) return;
    this.#isStalled = true;
    this.outgoing.sink.drained = () => {
      this.#goOn();
      this.#consider();
    };
  }

  #consider(): void {
    if (this.received - this.#told < NEWS_CHARS) return;
    this.#told = this.received;
    this.#tell(this.#told);
  }
}
