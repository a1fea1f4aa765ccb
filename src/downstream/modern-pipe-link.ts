import type { RequestMessage } from '../protocol/envelope.ts';
import type { SubscriptionFilter } from '../protocol/modern/subscriptions.ts';
import type { ClientIdentity } from './handshake.ts';
import type { Discovery, ModernLink, SubscriptionListener } from './modern-port.ts';
import { ModernSubscription } from './modern-subscription.ts';
import type { AnswerSink, CancelRequest, Deadlines, DownstreamLink, DownstreamServer } from './port.ts';
import { SharedSubscriptions } from './shared-subscriptions.ts';

/**
 * A server of the modern era on a pipe, wherever that ends: requests stand for themselves, and a subscription is one that
 * stays open. Nothing is repeated in headers, since there are none.
 */
export class ModernPipeLink implements ModernLink {
  readonly server: DownstreamServer;
  readonly discovery: Discovery;
  readonly #pipe: DownstreamLink;
  readonly #subscriptions: SharedSubscriptions;

  constructor(pipe: DownstreamLink, discovery: Discovery, identity: ClientIdentity) {
    this.server = pipe.server;
    this.discovery = discovery;
    this.#pipe = pipe;
    const options = { version: discovery.version, identity };
    this.#subscriptions = new SharedSubscriptions((filter, listener) => {
      const subscription = new ModernSubscription(this, filter, listener, options);
      return () => subscription.close();
    });
  }

  request(request: RequestMessage, sink: AnswerSink, deadlines: Deadlines): CancelRequest {
    return this.#pipe.request(request, sink, deadlines);
  }

  listen(filter: SubscriptionFilter, listener: SubscriptionListener): () => void {
    return this.#subscriptions.listen(filter, listener);
  }
}
