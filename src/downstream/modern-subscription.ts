import { isObject, type Message, own, parseMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import {
  filterText,
  LISTEN,
  neededForFilter,
  readFilter,
  type SubscriptionFilter,
} from '../protocol/modern/subscriptions.ts';
import type { ModernVersion } from '../protocol/modern/versions.ts';
import { Backoff } from './backoff.ts';
import { ownRequest } from './call.ts';
import type { ClientIdentity } from './handshake.ts';
import type { ModernLink, SubscriptionListener } from './modern-port.ts';
import { enveloped } from './modern-request.ts';
import type { AnswerSink, CancelRequest, Deadlines } from './port.ts';

const ACKNOWLEDGED = 'notifications/subscriptions/acknowledged';

const MAX_DEPTH = 512;

/** As long as timers can wait, some 24 days: a subscription that is silent is none that hangs. */
const FOREVER: Deadlines = { idleMs: 2 ** 31 - 1, totalMs: 2 ** 31 - 1 };

/** A stream that lived this long was a good one: its end is no failure. */
const HEALTHY_MS = 10_000;

export interface SubscriptionOptions {
  readonly version: ModernVersion;
  readonly identity: ClientIdentity;
}

/** One `subscriptions/listen` at a server, opened again whenever its stream breaks, until closed or refused. */
export class ModernSubscription {
  readonly #link: Pick<ModernLink, 'request'>;
  readonly #filter: SubscriptionFilter;
  readonly #listener: SubscriptionListener;
  readonly #options: SubscriptionOptions;
  readonly #backoff = new Backoff(500, 30_000);
  #cancel: CancelRequest | undefined;
  #timer: NodeJS.Timeout | undefined;
  #openedAt = 0;
  #wasOpen = false;
  #closed = false;

  constructor(
    link: Pick<ModernLink, 'request'>,
    filter: SubscriptionFilter,
    listener: SubscriptionListener,
    options: SubscriptionOptions,
  ) {
    this.#link = link;
    this.#filter = filter;
    this.#listener = listener;
    this.#options = options;
    this.#open();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#cancel?.(new GatewayError(Code.Cancelled, 'Closed'));
  }

  #open(): void {
    const { version, identity } = this.#options;
    const notifications: unknown = JSON.parse(filterText(this.#filter));
    const asked = ownRequest(LISTEN, { notifications });
    const request = enveloped(asked, identity, version, neededForFilter(this.#filter));
    this.#openedAt = 0;
    const sink = new SubscriptionSink({
      message: (message) => this.#message(message),
      ended: (error, isRefused) => this.#ended(error, isRefused),
    });
    this.#cancel = this.#link.request(request, sink, FOREVER);
  }

  #message(message: Message): void {
    if (this.#closed || message.kind !== 'notification') return;
    if (message.method !== ACKNOWLEDGED) return this.#listener.message(message);
    this.#openedAt = Date.now();
    let honoured: SubscriptionFilter;
    try {
      honoured = readFilter(message.params);
    } catch {
      // What it honours is not said; what it tells is filtered in any case.
      honoured = this.#filter;
    }
    this.#listener.acknowledged(honoured);
    if (this.#wasOpen) this.#listener.restarted();
    this.#wasOpen = true;
  }

  #ended(error: GatewayError | undefined, isRefused: boolean): void {
    if (this.#closed) return;
    if (isRefused) {
      this.#closed = true;
      return this.#listener.ended(error);
    }
    if (this.#openedAt > 0 && Date.now() - this.#openedAt > HEALTHY_MS) this.#backoff.reset();
    this.#timer = setTimeout(() => this.#open(), this.#backoff.next());
    this.#timer.unref();
  }
}

interface Ends {
  message(message: Message): void;
  /** `isRefused`: the server answered with an error, and would again. */
  ended(error: GatewayError | undefined, isRefused: boolean): void;
}

/** Reads a subscription's stream. Its answer is its end: a graceful one is taken up again, elsewhere where the server stops. */
class SubscriptionSink implements AnswerSink {
  drained: (() => void) | undefined;
  readonly #ends: Ends;
  #chunks: Buffer[] = [];

  constructor(ends: Ends) {
    this.#ends = ends;
  }

  openStream(): void {}

  message(_text: string, message: Message): boolean {
    this.#ends.message(message);
    return true;
  }

  begin(): void {}

  data(chunk: Buffer): boolean {
    this.#chunks.push(chunk);
    return true;
  }

  end(): void {
    this.answer(Buffer.concat(this.#chunks));
  }

  answer(body: string | Buffer): void {
    this.#ends.ended(...readEnd(body.toString()));
  }

  fail(error: GatewayError): void {
    this.#ends.ended(error, false);
  }
}

function readEnd(text: string): [GatewayError | undefined, boolean] {
  const message = parseMessage(text, MAX_DEPTH);
  if (message.kind !== 'response' || !isObject(message.error)) return [undefined, false];
  const said = own(message.error, 'message');
  const reason = typeof said === 'string' ? said.slice(0, 200) : 'no reason given';
  return [new GatewayError(Code.DownstreamProtocol, `The server refused to be listened to: ${reason}`), true];
}
