import type { BusMessage } from '../coordination/bus.ts';
import type { GatewayError } from '../protocol/errors.ts';
import { notRead } from './deadline.ts';
import { errorFields, LINK, outcomeUnknown, PIECE_CHARS, WINDOW_CHARS } from './link-messages.ts';
import type { AnswerSink, CancelRequest } from './port.ts';

export interface ForwardedAnswerOptions {
  readonly number: number;
  readonly serverName: string;
  /** For how long a client may leave a large answer unread, in milliseconds. */
  readonly unreadMs: number;
  /** Sends to the node that asked. Resolves with whether it was heard. */
  readonly send: (message: BusMessage) => Promise<boolean>;
  /** Nothing more will be said, and the node knows. */
  readonly onEnd: () => void;
}

/** What a process answers to a request of another node, on its way there: no faster than the client reads. */
export class ForwardedAnswer implements AnswerSink {
  drained: (() => void) | undefined;
  /** Ends the call at the process, while that has not answered. */
  cancel: CancelRequest | undefined;
  readonly #options: ForwardedAnswerOptions;
  /** A large answer, and how much of it was sent, in characters. */
  #rest = '';
  #offset = 0;
  #sent = 0;
  #read = 0;
  #next = 0;
  #chunks: Buffer[] = [];
  #patience: NodeJS.Timeout | undefined;
  /** Why no answer will come, until the node has heard of it. */
  #failure: GatewayError | undefined;
  #isOver = false;

  constructor(options: ForwardedAnswerOptions) {
    this.#options = options;
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
    if (text.length <= PIECE_CHARS) return this.#sayLast({ kind: LINK.answer, text });
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
    if (this.#isOver) return;
    this.#stop();
    this.#failure = error;
    this.sayAgain();
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
    this.#options.onEnd();
    this.cancel?.(reason);
  }

  /** Tells the node that no answer will come, where it has not heard that yet. */
  sayAgain(): void {
    const failure = this.#failure;
    if (failure === undefined) return;
    this.#options
      .send({ kind: LINK.failed, request: this.#options.number, ...errorFields(failure) })
      .then((heard) => {
        if (heard) this.#options.onEnd();
      })
      .catch(() => {
        // The bus is away: it is said again.
      });
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
    if (this.#isOver) return;
    if (this.#offset === this.#rest.length) return this.#sayLast({ kind: LINK.end });
    this.#patience = setTimeout(() => this.fail(notRead()), this.#options.unreadMs);
    this.#patience.unref();
  }

  #say(message: BusMessage, isLast = false): void {
    if (this.#isOver) return;
    this.#options.send({ ...message, request: this.#options.number, n: this.#next++ }).then(
      (heard) => {
        if (!heard) this.#unheard();
        else if (isLast) this.#options.onEnd();
      },
      () => this.#unheard(),
    );
  }

  #sayLast(message: BusMessage): void {
    this.#say(message, true);
    this.#stop();
  }

  /** A part of the answer is lost, and with it the whole. The process need not go on. */
  #unheard(): void {
    if (this.#failure !== undefined) return;
    const lost = outcomeUnknown(this.#options.serverName);
    const { cancel } = this;
    this.#stop();
    this.#failure = lost;
    cancel?.(lost);
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
