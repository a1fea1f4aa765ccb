import type { Bus, BusMessage } from '../coordination/bus.ts';
import { type Message, parseMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { LISTEN } from '../protocol/modern/subscriptions.ts';
import type { Tracing } from '../telemetry/types.ts';
import { ForwardedAnswer } from './forwarded-answer.ts';
import { insist } from './insist.ts';
import { errorFields, LINK, MAX_DEPTH, outcomeUnknown } from './link-messages.ts';
import type { ServerHandshake } from './port.ts';
import { Displaced, type Ending, type Sharer } from './process-place.ts';
import type { LocalAttachment } from './process-share.ts';
import { tracedHere } from './traced-forward.ts';

export interface ServedLinkOptions {
  readonly bus: Bus;
  readonly tracing?: Tracing | undefined;
  /** The node that uses the process. */
  readonly node: string;
  /** The name that it gave the link. */
  readonly key: string;
  readonly serverName: string;
  readonly onEnd: () => void;
}

/** A place at a process of this node that another node uses: carries out what it asks, and says what comes of it. */
export class ServedLink implements Sharer {
  readonly node: string;
  readonly key: string;
  readonly #options: ServedLinkOptions;
  readonly #calls = new Map<number, ForwardedAnswer>();
  #attachment: LocalAttachment | undefined;
  /** Of requests that came, and those before it that did not. */
  #lastNumber = 0;
  readonly #missing = new Set<number>();
  /** Requests that were not taken, as far as the other node may not know it yet. */
  readonly #refused = new Set<number>();
  #isMoving = false;
  #isOver = false;

  constructor(options: ServedLinkOptions) {
    this.#options = options;
    this.node = options.node;
    this.key = options.key;
  }

  get isBusy(): boolean {
    return [...this.#calls.values()].some(({ isListening }) => !isListening);
  }

  /** The process is there. */
  opened(attachment: LocalAttachment): void {
    if (this.#isOver) return attachment.detach();
    this.#attachment = attachment;
    this.sayOpened();
  }

  /** Also for a node that may have missed it. */
  sayOpened(): void {
    const attachment = this.#attachment;
    if (attachment === undefined) return;
    this.#post({ kind: LINK.opened, handshake: attachment.handshake, isFresh: attachment.isFresh });
    if (this.#isMoving) this.moved();
  }

  /** It could not be opened. */
  refused(error: unknown): void {
    if (this.#isOver) return;
    const why = error instanceof Displaced ? { how: error.how } : errorFields(GatewayError.from(error));
    this.#post({ kind: LINK.refused, ...why });
    this.#end();
  }

  /** Not said again where it may have been heard: nobody is to hear it twice. */
  message(message: Message): void {
    this.#send({ kind: LINK.heard, text: message.text }).catch(() => {});
  }

  restarted(handshake: ServerHandshake, tell: boolean): void {
    this.#post({ kind: LINK.restarted, handshake, tell });
  }

  moved(): void {
    this.#isMoving = true;
    if (this.#attachment !== undefined) this.#post({ kind: LINK.moved });
  }

  ended(why: Ending): void {
    this.#post({ kind: LINK.ended, why });
    this.#end();
  }

  /** A process of this node gives nothing back. */
  returned(): void {}

  doubted(): void {}

  /** What the other node says. */
  receive(message: BusMessage): void {
    const number = Number(message['request']);
    switch (message.kind) {
      case LINK.request:
        return this.#request(number, message);
      case LINK.cancel: {
        const reason = new GatewayError(Code.Cancelled, String(message['reason']));
        return this.#calls.get(number)?.abandon(reason);
      }
      case LINK.more:
        return this.#calls.get(number)?.more(Number(message['upTo']));
      case LINK.send:
        return this.#attachment?.send(parseMessage(String(message['text']), MAX_DEPTH));
      case LINK.check:
        return this.#check(message['requests']);
      default:
        return this.#end();
    }
  }

  /** Messages to this node may be lost: the other is to say what is under way. */
  gap(): void {
    this.#post({ kind: LINK.gap });
  }

  /** The other node has gone. */
  gone(): void {
    this.#end();
  }

  #request(number: number, message: BusMessage): void {
    if (!this.#isNew(number)) return;
    this.#note(number);
    const attachment = this.#attachment;
    if (attachment === undefined || this.#isMoving) return this.#refuse(number);
    const totalMs = Number(message['totalMs']);
    const call = new ForwardedAnswer({
      number,
      unreadMs: totalMs,
      send: (said) => this.#send(said),
      onEnd: () => {
        this.#calls.delete(number);
        endSpan?.();
      },
    });
    let endSpan: (() => void) | undefined;
    this.#calls.set(number, call);
    try {
      let request = parseMessage(String(message['text']), MAX_DEPTH);
      if (request.kind !== 'request') throw new GatewayError(Code.InvalidRequest, 'Not a request');
      const { tracing, serverName } = this.#options;
      if (tracing !== undefined) [request, endSpan] = tracedHere(tracing, request, serverName, this.node);
      call.isListening = request.method === LISTEN;
      call.cancel = attachment.request(request, call, { idleMs: Number(message['idleMs']), totalMs });
    } catch (error) {
      call.fail(GatewayError.from(error));
    }
  }

  /** Of what the other node waits for, what is not under way here was answered, or never came and will not be taken. */
  #check(requests: unknown): void {
    if (!Array.isArray(requests)) return;
    for (const [number, upTo] of requests) {
      const call = this.#calls.get(number);
      call?.more(upTo);
      if (call !== undefined) this.#post({ kind: LINK.taken, request: number });
      else if (this.#isNew(number) || this.#refused.has(number)) this.#refuse(number);
      else {
        const lost = outcomeUnknown(this.#options.serverName);
        this.#post({ kind: LINK.failed, request: number, ...errorFields(lost) });
      }
      this.#note(number);
    }
    const waiting = new Set(requests.map(([number]) => number));
    for (const number of this.#refused) if (!waiting.has(number)) this.#refused.delete(number);
  }

  #refuse(number: number): void {
    this.#refused.add(number);
    this.#post({ kind: LINK.refused, request: number });
  }

  /** It did not come before. */
  #isNew(number: number): boolean {
    return number > this.#lastNumber || this.#missing.has(number);
  }

  #note(number: number): void {
    for (let missing = this.#lastNumber + 1; missing < number; missing++) this.#missing.add(missing);
    this.#missing.delete(number);
    this.#lastNumber = Math.max(this.#lastNumber, number);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.onEnd();
    const reason = new GatewayError(Code.Cancelled, 'The session has ended');
    for (const call of [...this.#calls.values()]) call.abandon(reason);
    this.#attachment?.detach();
  }

  /** For what is not waited for, and may be heard twice. */
  #post(message: BusMessage): void {
    insist(() => this.#send(message));
  }

  #send(message: BusMessage): Promise<boolean> {
    return this.#options.bus.send(this.node, { ...message, link: this.key });
  }
}
