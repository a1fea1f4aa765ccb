import type { Bus, BusMessage } from '../../coordination/bus.ts';
import type { Members } from '../../coordination/members.ts';
import { errorFields, errorOf, PIECE_CHARS } from '../../downstream/link-messages.ts';
import type { AnswerSink, CancelRequest } from '../../downstream/port.ts';
import { type Id, isId, type Message, parseMessage, type RequestMessage } from '../../protocol/envelope.ts';
import { Code, GatewayError } from '../../protocol/errors.ts';

/** What nodes say to each other about retries. Every message has `key`: the name that the node with the client gave. */
const RETRY = {
  /** To the node that has the call: `park`, `round`, `text`, `progressToken?`, `tenantId`, `userId`. */
  wanted: 'retry.wanted',
  cancel: 'retry.cancel',
  /** To the node with the client: `text` of a message before the answer. */
  message: 'retry.message',
  /** A piece of the answer: `text`, `isLast`. */
  answer: 'retry.answer',
  /** No answer will come: `code`, `reason`. */
  failed: 'retry.failed',
} as const;

const MAX_DEPTH = 1024;

/** How often the nodes that are waited for are looked after, in milliseconds. */
const WATCH_MS = 500;

/** A client's next try for a call that waits for it. */
export interface RetryWanted {
  readonly park: string;
  readonly round: number;
  readonly request: RequestMessage;
  readonly progressToken: Id | undefined;
  readonly tenantId: string;
  readonly userId: string;
}

interface Sent {
  readonly node: string;
  readonly sink: AnswerSink;
  readonly lost: () => void;
  text: string;
}

/** Leads a client's next try to the node that has its call, and what comes of it back. */
export class RemoteRetries {
  readonly #bus: Bus;
  readonly #members: Members;
  readonly #sent = new Map<string, Sent>();
  /** By node and key: what ends a retry here that another node sent. */
  readonly #taken = new Map<string, CancelRequest>();
  readonly #unsubscribe: readonly (() => void)[];
  readonly #watch: NodeJS.Timeout;
  #lastKey = 0;

  /** `take` gives a retry to its call, which must be one of this node's. */
  constructor(
    bus: Bus,
    members: Members,
    take: (wanted: RetryWanted, sink: AnswerSink) => CancelRequest | undefined,
  ) {
    this.#bus = bus;
    this.#members = members;
    this.#unsubscribe = [
      bus.on(RETRY.wanted, (message, from) => void this.#take(message, from, take)),
      bus.on(RETRY.cancel, (message, from) => {
        this.#taken.get(takenKey(from, message['key']))?.(cancelled());
      }),
      bus.on(RETRY.message, (message) => this.#message(message)),
      bus.on(RETRY.answer, (message) => this.#answer(message)),
      bus.on(RETRY.failed, (message) => this.#end(message)?.sink.fail(errorOf(message))),
    ];
    this.#watch = setInterval(() => void this.#lookAfter(), WATCH_MS);
    this.#watch.unref();
  }

  /** `lost`: the node that had the call has gone, and the call with it. */
  send(node: string, wanted: RetryWanted, sink: AnswerSink, lost: () => void): CancelRequest {
    const key = String(++this.#lastKey);
    this.#sent.set(key, { node, sink, lost, text: '' });
    const { request, progressToken, ...rest } = wanted;
    const token = progressToken === undefined ? {} : { progressToken };
    this.#bus.send(node, { kind: RETRY.wanted, key, text: request.text, ...token, ...rest }).then(
      (isHeard) => {
        if (!isHeard) this.#lost(key);
      },
      (error) => this.#end({ kind: RETRY.failed, key })?.sink.fail(GatewayError.from(error)),
    );
    return (reason) => {
      if (this.#end({ kind: RETRY.cancel, key }) === undefined) return;
      this.#bus.send(node, { kind: RETRY.cancel, key }).catch(() => {});
      sink.fail(reason);
    };
  }

  close(): void {
    clearInterval(this.#watch);
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  async #take(
    message: BusMessage,
    from: string,
    take: (wanted: RetryWanted, sink: AnswerSink) => CancelRequest | undefined,
  ): Promise<void> {
    if (!(await this.#members.isAlive(from).catch(() => false))) return;
    const { key, park, round, text, progressToken, tenantId, userId } = message;
    const request = parseMessage(String(text), MAX_DEPTH);
    if (request.kind !== 'request') return;
    const taken = takenKey(from, key);
    const sink = new ReturningSink(this.#bus, from, key, () => this.#taken.delete(taken));
    const wanted = {
      park: String(park),
      round: Number(round),
      request,
      progressToken: isId(progressToken) ? progressToken : undefined,
      tenantId: String(tenantId),
      userId: String(userId),
    };
    const cancel = take(wanted, sink);
    if (cancel !== undefined && !sink.isOver) this.#taken.set(taken, cancel);
  }

  #message(message: BusMessage): void {
    const text = String(message['text']);
    this.#sent.get(String(message['key']))?.sink.message(text, parse(text));
  }

  #answer(message: BusMessage): void {
    const sent = this.#sent.get(String(message['key']));
    if (sent === undefined) return;
    sent.text += String(message['text']);
    if (message['isLast'] === true) this.#end(message)?.sink.answer(sent.text);
  }

  #end(message: BusMessage): Sent | undefined {
    const key = String(message['key']);
    const sent = this.#sent.get(key);
    this.#sent.delete(key);
    return sent;
  }

  #lost(key: string): void {
    const sent = this.#end({ kind: RETRY.failed, key });
    if (sent === undefined) return;
    sent.sink.fail(
      new GatewayError(
        Code.Unavailable,
        'The node that held this call has gone, and the call with it; its outcome is unknown. Start again without "requestState"',
      ),
    );
    sent.lost();
  }

  async #lookAfter(): Promise<void> {
    for (const node of new Set([...this.#sent.values()].map((sent) => sent.node))) {
      if (await this.#members.isAlive(node).catch(() => true)) continue;
      for (const [key, sent] of [...this.#sent]) if (sent.node === node) this.#lost(key);
    }
  }
}

/** What comes of a retry, on its way to the node with the client. */
class ReturningSink implements AnswerSink {
  drained: (() => void) | undefined;
  isOver = false;
  readonly #bus: Bus;
  readonly #to: string;
  readonly #key: unknown;
  readonly #onEnd: () => void;
  #chunks: Buffer[] = [];
  #turn: Promise<unknown> = Promise.resolve();

  constructor(bus: Bus, to: string, key: unknown, onEnd: () => void) {
    this.#bus = bus;
    this.#to = to;
    this.#key = key;
    this.#onEnd = onEnd;
  }

  openStream(): void {}

  message(text: string): boolean {
    this.#send({ kind: RETRY.message, text });
    return true;
  }

  answer(body: string | Buffer): void {
    const text = body.toString();
    this.#over();
    for (let at = 0; at === 0 || at < text.length; at += PIECE_CHARS) {
      const isLast = at + PIECE_CHARS >= text.length;
      this.#send({ kind: RETRY.answer, text: text.slice(at, at + PIECE_CHARS), isLast });
    }
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
    this.#over();
    this.#send({ kind: RETRY.failed, ...errorFields(error) });
  }

  #over(): void {
    this.isOver = true;
    this.#chunks = [];
    this.#onEnd();
  }

  #send(message: BusMessage): void {
    this.#turn = this.#turn
      .then(() => this.#bus.send(this.#to, { ...message, key: this.#key }))
      .catch(() => {
        // The bus is away: the client's own request fails there, and its call here in time.
      });
  }
}

function takenKey(node: string, key: unknown): string {
  return `${node} ${String(key)}`;
}

function parse(text: string): Message {
  return parseMessage(text, MAX_DEPTH);
}

function cancelled(): GatewayError {
  return new GatewayError(Code.Cancelled, 'Cancelled by the client');
}
