import type { Bus, BusMessage } from '../coordination/bus.ts';
import { type Message, parseMessage, type RequestMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { errorOf, LINK, MAX_DEPTH, outcomeUnknown } from './link-messages.ts';
import { Outgoing } from './outgoing.ts';
import type { AnswerSink, CancelRequest, Deadlines, ServerHandshake } from './port.ts';
import type { Attachment, Ending, Sharer } from './process-place.ts';
import { RemoteCall } from './remote-call.ts';

export interface RemoteAttachmentOptions {
  readonly bus: Bus;
  /** The owner. */
  readonly node: string;
  /** Name of the link. */
  readonly key: string;
  readonly serverName: string;
  readonly sharer: Sharer;
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
    const call = new RemoteCall(outgoing, (upTo) => this.#post({ kind: LINK.more, request: number, upTo }));
    this.#calls.set(number, call);
    outgoing.heldBy((reason) => this.#cancel(number, reason));
    const { text } = outgoing.request;
    const { idleMs, totalMs } = outgoing.deadlines;
    this.#send({ kind: LINK.request, request: number, text, idleMs, totalMs }).then(
      (heard) => {
        if (!heard) this.#unheard(number);
      },
      (error) => this.#unsent(number, error),
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
    const requests = [...this.#calls].map(([number, { read }]) => [number, read]);
    this.#post({ kind: LINK.check, requests, serverName: this.#options.serverName });
  }

  /** Gives up calls that the owner should have ended. `now` in milliseconds since the epoch. */
  sweep(now: number): void {
    if (this.#isForgotten) this.check();
    for (const [number, { expiresAt }] of this.#calls) {
      if (expiresAt < now) this.#cancel(number, outcomeUnknown(this.#options.serverName));
    }
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
    if (message.kind === LINK.failed) {
      this.#calls.delete(number);
      return call.fail(errorOf(message));
    }
    const taken = call.take(message);
    if (taken === 'over') this.#calls.delete(number);
    else if (taken === 'lost') this.#cancel(number, outcomeUnknown(this.#options.serverName));
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
    call.release();
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

  /** The bus is away. The request may have got through all the same. */
  #unsent(number: number, cause: unknown): void {
    const call = this.#calls.get(number);
    if (call === undefined) return;
    this.#calls.delete(number);
    const reason = `The node that runs the process of server "${this.#options.serverName}" cannot be reached now; the outcome of the call is unknown`;
    call.fail(new GatewayError(Code.Unavailable, reason, { retryAfter: 1, cause }));
  }

  #end(error: () => GatewayError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#options.onEnd();
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const call of calls) call.fail(error());
  }

  /** For what is not waited for: where it is lost, the owner finds out by itself. */
  #post(message: BusMessage): void {
    this.#send(message).catch(() => {});
  }

  #send(message: BusMessage): Promise<boolean> {
    return this.#options.bus.send(this.node, { ...message, link: this.key });
  }
}

function endingOf(why: unknown): Ending {
  return why === 'gone' || why === 'forgotten' ? why : 'moved';
}
