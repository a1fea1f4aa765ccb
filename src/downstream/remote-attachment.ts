import type { Bus, BusMessage } from '../coordination/bus.ts';
import { type Message, parseMessage, type RequestMessage } from '../protocol/envelope.ts';
import type { GatewayError } from '../protocol/errors.ts';
import { insist } from './insist.ts';
import { errorOf, LINK, MAX_DEPTH, outcomeUnknown, unreachable } from './link-messages.ts';
import { Outgoing } from './outgoing.ts';
import type { AnswerSink, CancelRequest, Deadlines, ServerHandshake } from './port.ts';
import type { Attachment, Ending, Sharer } from './process-place.ts';
import { RemoteCall } from './remote-call.ts';

/** For so long it may be unknown whether the owner has a request, in milliseconds. */
const UNSURE_MS = 2500;

export interface RemoteAttachmentOptions {
  readonly bus: Bus;
  /** The owner. */
  readonly node: string;
  /** Name of the link. */
  readonly key: string;
  readonly serverName: string;
  readonly sharer: Sharer;
  /** A request goes to the owner. */
  readonly onSend: () => void;
  /** It is not to be told anything any more. */
  readonly onEnd: () => void;
}

/** A place at a process that runs on another node: requests go there, what comes of them comes back. */
export class RemoteAttachment implements Attachment {
  readonly node: string;
  readonly key: string;
  handshake: ServerHandshake;
  readonly isFresh: boolean;
  readonly #options: RemoteAttachmentOptions;
  readonly #calls = new Map<number, RemoteCall>();
  #lastNumber = 0;
  /** The owner does not know this link any more. */
  #isForgotten = false;
  #isOver = false;

  /** Made of the owner's `opened`. */
  constructor(options: RemoteAttachmentOptions, opened: BusMessage) {
    this.#options = options;
    this.node = options.node;
    this.key = options.key;
    this.handshake = opened['handshake'] as ServerHandshake;
    this.isFresh = opened['isFresh'] === true;
  }

  request(request: RequestMessage, sink: AnswerSink, deadlines: Deadlines): CancelRequest {
    const outgoing = new Outgoing(request, sink, deadlines);
    this.take(outgoing);
    return outgoing.cancel;
  }

  take(outgoing: Outgoing): void {
    if (this.#isOver || this.#isForgotten) return this.#options.sharer.returned(outgoing);
    const number = ++this.#lastNumber;
    this.#options.onSend();
    const call = new RemoteCall(outgoing, (upTo) => this.#post({ kind: LINK.more, request: number, upTo }));
    this.#calls.set(number, call);
    outgoing.heldBy((reason) => this.#cancel(number, reason));
    const { text } = outgoing.request;
    const { idleMs, totalMs } = outgoing.deadlines;
    this.#send({ kind: LINK.request, request: number, text, idleMs, totalMs }).then(
      (heard) => {
        if (!heard) this.#unheard(number);
      },
      () => this.#unsure(number),
    );
  }

  send(message: Message): void {
    this.#post({ kind: LINK.send, text: message.text });
  }

  detach(reason: GatewayError): void {
    if (this.#isOver) return;
    this.#post({ kind: LINK.close });
    this.#end(() => reason);
  }

  lost(): void {
    this.#end(() => outcomeUnknown(this.#options.serverName));
  }

  /** What the owner says. */
  receive(message: BusMessage): void {
    const { sharer } = this.#options;
    switch (message.kind) {
      case LINK.heard:
        return sharer.message(parseMessage(String(message['text']), MAX_DEPTH));
      case LINK.restarted:
        this.handshake = message['handshake'] as ServerHandshake;
        return sharer.restarted(this.handshake, message['tell'] === true);
      case LINK.moved:
        return sharer.moved();
      case LINK.ended: {
        const why = endingOf(message['why']);
        if (why === 'forgotten') return this.#forgotten();
        this.lost();
        return sharer.ended(why);
      }
      case LINK.gap:
        return this.check();
      default:
        return this.#answered(message);
    }
  }

  /** Messages may be lost: asks the owner what has become of the calls under way. */
  check(): void {
    if (this.#isForgotten && this.#calls.size === 0) return this.lost();
    const { serverName } = this.#options;
    // Asked again, it is asked for what is under way then.
    insist(async () => {
      if (this.#calls.size === 0) return true;
      const requests = [...this.#calls].map(([number, { read }]) => [number, read]);
      return this.#send({ kind: LINK.check, requests, serverName });
    });
  }

  /** Gives up calls that the owner should have ended. `now` in milliseconds since the epoch. */
  sweep(now: number): void {
    let isUnsure = this.#isForgotten;
    for (const [number, { expiresAt, unsureSince = now }] of this.#calls) {
      if (expiresAt < now) this.#cancel(number, outcomeUnknown(this.#options.serverName));
      else if (unsureSince < now - UNSURE_MS) this.#cancel(number, unreachable(this.#options.serverName));
      else if (unsureSince < now) isUnsure = true;
    }
    if (isUnsure) this.check();
  }

  #answered(message: BusMessage): void {
    const number = Number(message['request']);
    const call = this.#calls.get(number);
    if (call === undefined) return;
    if (message.kind === LINK.refused) {
      this.#calls.delete(number);
      if (message['isForgotten'] === true) this.#forgotten();
      return this.#giveBack(call);
    }
    if (message.kind === LINK.taken) {
      call.unsureSince = undefined;
      return;
    }
    // One without a number is about a call that the owner knows nothing of.
    if (message.kind === LINK.failed && message['n'] === undefined) call.fail(errorOf(message));
    else call.take(message);
    if (call.isOver) this.#calls.delete(number);
  }

  /** What is under way may have been run, or may be refused yet: the owner is asked for each. */
  #forgotten(): void {
    if (this.#isForgotten) return;
    this.#isForgotten = true;
    this.#options.sharer.ended('forgotten');
    this.check();
  }

  #cancel(number: number, reason: GatewayError): void {
    const call = this.#calls.get(number);
    if (call === undefined) return;
    this.#calls.delete(number);
    this.#post({ kind: LINK.cancel, request: number, reason: reason.message });
    call.fail(reason);
  }

  #giveBack(call: RemoteCall): void {
    call.end();
    call.outgoing.heldBy(undefined);
    this.#options.sharer.returned(call.outgoing);
  }

  /** Nobody listens there: the request was not delivered. */
  #unheard(number: number): void {
    const call = this.#calls.get(number);
    if (call === undefined) return;
    this.#calls.delete(number);
    this.#options.sharer.doubted();
    this.#giveBack(call);
  }

  /** The bus is slow or away. The request may have got through all the same: the owner is asked. */
  #unsure(number: number): void {
    const call = this.#calls.get(number);
    if (call === undefined) return;
    call.unsureSince = Date.now();
    this.check();
  }

  #end(error: () => GatewayError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.onEnd();
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) call.fail(error());
  }

  /** For what is not waited for, and may be heard twice. */
  #post(message: BusMessage): void {
    insist(() => this.#send(message));
  }

  #send(message: BusMessage): Promise<boolean> {
    return this.#options.bus.send(this.node, { ...message, link: this.key });
  }
}

function endingOf(why: unknown): Ending {
  return why === 'gone' || why === 'forgotten' ? why : 'moved';
}
