import type { BusMessage } from '../coordination/bus.ts';
import { parseMessage } from '../protocol/envelope.ts';
import type { GatewayError } from '../protocol/errors.ts';
import { LINK, MAX_DEPTH, WINDOW_CHARS } from './link-messages.ts';
import type { Outgoing } from './outgoing.ts';

/** How long after its last deadline a call is given up whose owner should have ended it. */
const GRACE_MS = 5000;

/** A client that has read this much more is worth a message. */
const NEWS_CHARS = WINDOW_CHARS / 4;

/** What a piece of an answer made of the call. `lost`: a piece before it is missing. */
type Taken = 'more' | 'over' | 'lost';

/** One request that another node runs, and its answer as it comes in. */
export class RemoteCall {
  readonly outgoing: Outgoing;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  /** Characters that have come, and how many of them the owner knows to have been read. */
  received = 0;
  readonly #tell: (upTo: number) => void;
  #told = 0;
  #next = 0;
  #isStalled = false;

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

  /** Takes the next piece of the answer to the client. Throws for one that is not MCP. */
  take(message: BusMessage): Taken {
    if (message['n'] !== this.#next) return 'lost';
    this.#next++;
    const { sink } = this.outgoing;
    switch (message.kind) {
      case LINK.message: {
        const text = String(message['text']);
        this.#passed(text.length, sink.message(text, parseMessage(text, MAX_DEPTH)));
        return 'more';
      }
      case LINK.begin:
        sink.begin(Number(message['length']));
        return 'more';
      case LINK.data: {
        const text = String(message['text']);
        this.#passed(text.length, sink.data(Buffer.from(text)));
        return 'more';
      }
      case LINK.end:
        this.release();
        sink.end();
        return 'over';
      default:
        this.release();
        sink.answer(String(message['text']));
        return 'over';
    }
  }

  fail(error: GatewayError): void {
    this.release();
    this.outgoing.sink.fail(error);
  }

  /** Nobody waits for the client any more. */
  release(): void {
    if (this.#isStalled) this.outgoing.sink.drained = undefined;
    this.#isStalled = false;
  }

  #passed(chars: number, wantsMore: boolean): void {
    this.received += chars;
    if (wantsMore && !this.#isStalled) return this.#consider();
    if (this.#isStalled) return;
    this.#isStalled = true;
    this.outgoing.sink.drained = () => {
      this.release();
      this.#consider();
    };
  }

  #consider(): void {
    if (this.received - this.#told < NEWS_CHARS) return;
    this.#told = this.received;
    this.#tell(this.#told);
  }
}
