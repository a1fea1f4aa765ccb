import type { HttpTarget } from '../db/server-record.ts';
import type { Message, RequestMessage } from '../protocol/envelope.ts';
import type { GatewayError } from '../protocol/errors.ts';
import { nameIn, standardHeaders } from '../protocol/modern/headers.ts';
import type { SubscriptionFilter } from '../protocol/modern/subscriptions.ts';
import { Deadline, notRead } from './deadline.ts';
import { EraWatch } from './era-watch.ts';
import type { ClientIdentity } from './handshake.ts';
import { type Dispatch, endpointOf, type HttpEndpoint } from './http-client.ts';
import { HttpExchange } from './http-exchange.ts';
import type { Discovery, ModernLink, SubscriptionListener } from './modern-port.ts';
import { ModernSubscription } from './modern-subscription.ts';
import type { AnswerSink, CancelRequest, Deadlines, DownstreamServer, Mirrored } from './port.ts';

export interface ModernHttpOptions {
  readonly client: Dispatch;
  readonly identity: ClientIdentity;
  /** The server did not answer as one of the modern era. */
  readonly doubt: (server: DownstreamServer) => void;
}

/** A Streamable HTTP server of the modern era: each request stands for itself, so there is nothing to open or to close. */
export class ModernHttpLink implements ModernLink {
  readonly server: DownstreamServer;
  readonly discovery: Discovery;
  readonly #options: ModernHttpOptions;
  readonly #endpoint: HttpEndpoint;
  readonly #headers: readonly string[];
  readonly #doubt: () => void;

  constructor(
    server: DownstreamServer,
    target: HttpTarget,
    discovery: Discovery,
    options: ModernHttpOptions,
  ) {
    this.server = server;
    this.discovery = discovery;
    this.#options = options;
    this.#endpoint = endpointOf(target.url);
    this.#headers = commonHeaders(target);
    this.#doubt = () => options.doubt(server);
  }

  request(
    request: RequestMessage,
    sink: AnswerSink,
    deadlines: Deadlines,
    mirrored?: Mirrored,
  ): CancelRequest {
    let isOver = false;
    const settle = () => {
      isOver = true;
      deadline.clear();
    };
    // Closing the stream is how a server is told (2026-07-28, transports: Cancellation).
    const cancel: CancelRequest = (reason) => {
      if (isOver) return;
      exchange.abandon();
      settle();
      sink.fail(reason);
    };
    const expired = (error: GatewayError) => cancel(exchange.isPaused ? notRead() : error);
    const deadline = new Deadline(deadlines, expired, this.server.name);
    const exchange = new HttpExchange({
      serverName: this.server.name,
      id: request.id,
      sink: new EraWatch(sink, this.#doubt),
      maxMessageBytes: this.#options.client.maxMessageBytes,
      hasSession: false,
      isResumable: false,
      onActivity: () => deadline.refresh(),
      onDone: settle,
      onSessionLost: settle,
      intercept: isNoNotification,
      askForRest: settle,
      positionOf: () => undefined,
    });
    this.#options.client.dispatch(
      this.#endpoint,
      'POST',
      this.#headersOf(request, mirrored),
      request.text,
      exchange,
    );
    return cancel;
  }

  listen(filter: SubscriptionFilter, listener: SubscriptionListener): () => void {
    const { version } = this.discovery;
    const subscription = new ModernSubscription(this, filter, listener, {
      version,
      identity: this.#options.identity,
    });
    return () => subscription.close();
  }

  #headersOf({ method, params, traced = [] }: RequestMessage, mirrored: Mirrored | undefined): string[] {
    const name = mirrored?.name ?? nameIn(method, params);
    const standard = standardHeaders(this.discovery.version, method, name);
    const declared = mirrored?.params;
    return declared === undefined
      ? [...this.#headers, ...standard, ...traced]
      : [...this.#headers, ...standard, ...declared, ...traced];
  }
}

/** Headers of every request to a server, names and values in turn. */
export function commonHeaders(target: HttpTarget): string[] {
  return [
    ...Object.entries(target.headers).flat(),
    'content-type',
    'application/json',
    'accept',
    'application/json, text/event-stream',
  ];
}

/** A server of this era asks nothing by itself; what it asks all the same is nobody's to answer. */
function isNoNotification(message: Message): boolean {
  return message.kind !== 'notification';
}
