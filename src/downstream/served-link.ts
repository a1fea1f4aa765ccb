import type { Bus, BusMessage } from '../coordination/bus.ts';
import { type Message, parseMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { ForwardedAnswer } from './forwarded-answer.ts';
import { errorFields, LINK, MAX_DEPTH, outcomeUnknown } from './link-messages.ts';
import type { ServerHandshake } from './port.ts';
import { Displaced, type Ending, type Sharer } from './process-place.ts';
import type { LocalAttachment } from './process-share.ts';

export interface ServedLinkOptions {
  readonly bus: Bus;
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
  #isMoving = false;
  #isOver = false;

  constructor(options: ServedLinkOptions) {
    this.#options = options;
    this.node = options.node;
    this.key = options.key;
  }

  get isBusy(): boolean {
    return this.#calls.size > 0;
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

  message(message: Message): void {
    this.#post({ kind: LINK.heard, text: message.text });
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

  /** Says again what may not have been heard. */
  sayAgain(): void {
    for (const call of this.#calls.values()) call.sayAgain();
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
    const attachment = this.#attachment;
    if (attachment === undefined || this.#isMoving)
      return this.#post({ kind: LINK.refused, request: number });
    const totalMs = Number(message['totalMs']);
    const call = new ForwardedAnswer({
      number,
      serverName: this.#options.serverName,
      unreadMs: totalMs,
      send: (said) => this.#send(said),
      onEnd: () => this.#calls.delete(number),
    });
    this.#calls.set(number, call);
    try {
      const request = parseMessage(String(message['text']), MAX_DEPTH);
      if (request.kind !== 'request') throw new GatewayError(Code.InvalidRequest, 'Not a request');
      call.cancel = attachment.request(request, call, { idleMs: Number(message['idleMs']), totalMs });
    } catch (error) {
      call.fail(GatewayError.from(error));
    }
  }

  /** Of what the other node waits for, what is not known here has been answered, or never came. */
  #check(requests: unknown): void {
    if (!Array.isArray(requests)) return;
    for (const [number, upTo] of requests) {
      const call = this.#calls.get(number);
      if (call !== undefined) call.more(upTo);
      else {
        const lost = outcomeUnknown(this.#options.serverName);
        this.#post({ kind: LINK.failed, request: number, ...errorFields(lost) });
      }
    }
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.onEnd();
    const reason = new GatewayError(Code.Cancelled, 'The session has ended');
    for (const call of [...this.#calls.values()]) call.abandon(reason);
    this.#attachment?.detach();
  }

  /** For what is not waited for: where it is lost, a gap on the bus tells. */
  #post(message: BusMessage): void {
    this.#send(message).catch(() => {});
  }

  #send(message: BusMessage): Promise<boolean> {
    return this.#options.bus.send(this.node, { ...message, link: this.key });
  }
}
