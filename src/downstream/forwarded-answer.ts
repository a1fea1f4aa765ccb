import type { BusMessage } from '../coordination/bus.ts';
import type { GatewayError } from '../protocol/errors.ts';
import { notRead } from './deadline.ts';
import { errorFields, LINK, PIECE_CHARS, WINDOW_CHARS } from './link-messages.ts';
import { NumberedMessages } from './numbered-messages.ts';
import type { AnswerSink, CancelRequest } from './port.ts';

export interface ForwardedAnswerOptions {
  readonly number: number;
  /** For how long a client may leave a large answer unread, in milliseconds. */
  readonly unreadMs: number;
  /** Sends to the node that asked. Resolves with whether it was heard. */
  readonly send: (message: BusMessage) => Promise<boolean>;
  /** All is said and heard, or nobody is there to hear it. */
  readonly onEnd: () => void;
}

/** What a process answers to a request of another node, on its way there: no faster than the client reads. */
export class ForwardedAnswer implements AnswerSink {
  drained: (() => void) | undefined;
  /** It stays open for what the server has to say, and nobody waits for its answer. */
  isListening = false;
  /** Ends the call at the process, while that has not answered. */
  cancel: CancelRequest | undefined;
  readonly #options: ForwardedAnswerOptions;
  /** A large answer, and how much of it was sent, in characters. */
  #rest = '';
  #offset = 0;
  #sent = 0;
  #read = 0;
  #chunks: Buffer[] = [];
  #patience: NodeJS.Timeout | undefined;
  readonly #messages: NumberedMessages;
  #isOver = false;

  constructor(options: ForwardedAnswerOptions) {
    this.#options = options;
    this.#messages = new NumberedMessages(options.send, options.onEnd);
  }

  /** A process has one pipe, and answers nothing in a stream of its own. */
  openStream(): void {}

  message(text: string): boolean {
    this.#sent += text.length;
    this.#say({ kind: LINK.message, text });
    return this.#isOver || this.#sent - this.#read < WINDOW_CHARS;
  }

  answer(body: string | Buffer): void {
    this.cancel = undefined;
    if (this.#isOver) return;
    const text = body.toString();
    if (text.length <= PIECE_CHARS) return this.#last({ kind: LINK.answer, text });
    this.#rest = text;
    this.#say({ kind: LINK.begin, length: Buffer.byteLength(text) });
    this.#pump();
  }

  begin(): void {}

  data(chunk: Buffer): boolean {
    this.#chunks.push(chunk);
    return true;
  }

  end(): void {
    this.answer(Buffer.concat(this.#chunks));
  }

  fail(error: GatewayError): void {
    this.cancel = undefined;
    this.#last({ kind: LINK.failed, ...errorFields(error) });
  }

  /** The client has read so much since the beginning, in characters. */
  more(upTo: number): void {
    if (!(upTo > this.#read)) return;
    this.#read = Math.min(upTo, this.#sent);
    if (this.#rest !== '') this.#pump();
    else if (this.#sent - this.#read < WINDOW_CHARS) this.drained?.();
  }

  /** Nobody is there any more who could take the answer. */
  abandon(reason: GatewayError): void {
    this.#stop();
    this.#messages.stop();
    this.#options.onEnd();
    this.cancel?.(reason);
  }

  /** As much of a large answer as the client has room for. */
  #pump(): void {
    clearTimeout(this.#patience);
    while (this.#offset < this.#rest.length && this.#sent - this.#read < WINDOW_CHARS) {
      const end = pieceEnd(this.#rest, this.#offset);
      const text = this.#rest.slice(this.#offset, end);
      this.#offset = end;
      this.#sent += text.length;
      this.#say({ kind: LINK.data, text });
    }
    if (this.#offset === this.#rest.length) return this.#last({ kind: LINK.end });
    this.#patience = setTimeout(() => this.fail(notRead()), this.#options.unreadMs);
    this.#patience.unref();
  }

  #say(message: BusMessage, isLast = false): void {
    if (!this.#isOver) this.#messages.say({ ...message, request: this.#options.number }, isLast);
  }

  #last(message: BusMessage): void {
    this.#say(message, true);
    this.#stop();
  }

  #stop(): void {
    clearTimeout(this.#patience);
    this.#isOver = true;
    this.#rest = '';
    this.#chunks = [];
  }
}

/** Where a piece ends: not between the two halves of a character, which could not be made bytes each for itself. */
function pieceEnd(text: string, start: number): number {
  const end = Math.min(text.length, start + PIECE_CHARS);
  const last = text.charCodeAt(end - 1);
  return end < text.length && last >= 0xd800 && last <= 0xdbff ? end - 1 : end;
}
