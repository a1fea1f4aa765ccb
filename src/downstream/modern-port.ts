import type { Message, RequestMessage } from '../protocol/envelope.ts';
import type { GatewayError } from '../protocol/errors.ts';
import type { Capabilities } from '../protocol/modern/meta.ts';
import type { CacheHint } from '../protocol/modern/result.ts';
import type { SubscriptionFilter } from '../protocol/modern/subscriptions.ts';
import type { ModernVersion } from '../protocol/modern/versions.ts';
import type { AnswerSink, CancelRequest, Deadlines, DownstreamServer, Mirrored } from './port.ts';

/** What a server of the modern era says of itself. */
export interface Discovery {
  readonly version: ModernVersion;
  readonly capabilities: Capabilities;
  readonly serverInfo: Readonly<Record<string, unknown>>;
  readonly instructions: string | undefined;
  readonly cache: CacheHint;
}

/** Told of what a server says on a subscription. */
export interface SubscriptionListener {
  /** What the server honours, once it has said so: again after each reconnect. */
  acknowledged(filter: SubscriptionFilter): void;
  /** A notification, with the server's own subscription id in it. */
  message(message: Message): void;
  /** The stream had been lost and is open again: what was said meanwhile is not known. */
  restarted(): void;
  /** The server refuses it, or has ended it and does not take it up again: nothing more comes. */
  ended(error: GatewayError | undefined): void;
}

/** A server of the modern era, without any session: shared by all who reach it with the same credentials. */
export interface ModernLink {
  readonly server: DownstreamServer;
  readonly discovery: Discovery;
  /**
   * Sends the request's text as it is, `_meta` included. The sink gets notifications of the request only, and its answer, of
   * whatever `resultType`.
   */
  request(
    request: RequestMessage,
    sink: AnswerSink,
    deadlines: Deadlines,
    mirrored?: Mirrored,
  ): CancelRequest;
  /** Subscribes with `subscriptions/listen`, again with back-off when the stream breaks, until the returned function is called. */
  listen(filter: SubscriptionFilter, listener: SubscriptionListener): () => void;
}

/** Finds the modern era's link to a server. */
export interface ModernConnector {
  /**
   * Undefined for a server of the legacy era, which is opened with {@link Connector.open}. At once, without a promise, where
   * the server's era is known and its link is there. Rejects as `open` does.
   */
  modern(
    server: DownstreamServer,
    signal: AbortSignal,
  ): ModernLink | undefined | Promise<ModernLink | undefined>;
}
