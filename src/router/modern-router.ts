import type { Owner, Principal } from '../auth/principal.ts';
import type { ModernConnector } from '../downstream/modern-port.ts';
import type { AnswerSink } from '../downstream/port.ts';
import type { Message, RequestMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { BridgedCalls, type BridgeOptions } from './bridge/bridged-calls.ts';
import type { ExchangeOptions, UnderWay } from './exchange.ts';
import type { ModernCaller } from './modern-caller.ts';
import { ModernExchange } from './modern-exchange.ts';
import { ResourceHub } from './modern-hub.ts';
import { Listeners } from './modern-listeners.ts';
import { MODERN_METHODS } from './modern-methods.ts';
import type { ModernOptions } from './modern-options.ts';
import { PlainCalls } from './modern-plain-calls.ts';
import { LegacyPool } from './modern-pool.ts';
import { runHandler } from './run-handler.ts';

export interface ModernRouterOptions extends ExchangeOptions {
  readonly modern: ModernConnector;
  /** What lets older servers ask modern clients. */
  readonly bridge: Omit<BridgeOptions, 'plain' | 'implementation' | 'maxJsonDepth' | 'logger' | 'connector'>;
}

const SHUT_DOWN = new GatewayError(
  Code.Unavailable,
  'The gateway is shutting down and the request took too long; its outcome is unknown',
);

const KEY_OVER = new GatewayError(Code.Unauthenticated, 'The API key that this was begun with is over');

const NOTHING = (): void => {};

/** From requests of the modern era, each of which stands for itself, to the servers they are for, and back. */
export class ModernRouter {
  readonly #options: ModernOptions;
  readonly #bridge: BridgedCalls;

  constructor(options: ModernRouterOptions) {
    const { connector, catalogs, identity } = options;
    const implementation = JSON.stringify(identity);
    const heard = (owner: Owner, serverId: string, message: Message) => this.#heard(owner, serverId, message);
    const pool = new LegacyPool({
      connector,
      listener: ({ id }, owner) => ({
        message: (message) => heard(owner, id, message),
        restarted: () => this.#restarted(owner, id),
      }),
    });
    const plain = new PlainCalls({ ...options, pool, implementation, heard });
    const legacy = new BridgedCalls({ ...options, ...options.bridge, plain, implementation });
    this.#bridge = legacy;
    this.#options = {
      ...options,
      implementation,
      legacy,
      hub: new ResourceHub({ ...options, pool, snapshotOf: (owner) => catalogs.modernView(owner).current }),
      listeners: new Listeners(),
      underWay: new Map<UnderWay, Principal>(),
    };
  }

  /** Requests that are not answered; streams that listen are none. */
  get inFlight(): number {
    return this.#options.underWay.size;
  }

  /** Calls that wait for their clients. */
  get parkedCalls(): number {
    return this.#bridge.parkedCount;
  }

  /** Streams that listen. */
  get streams(): number {
    return this.#options.listeners.size;
  }

  /** Answers through the sink, always. Returns what ends the request where its client goes away. */
  request(caller: ModernCaller, message: RequestMessage, sink: AnswerSink): () => void {
    const { admission, catalogs } = this.#options;
    const load = admission.loadOf(caller.principal);
    const refusal = admission.enter(load, message.method);
    if (refusal !== undefined) {
      admission.refusals.tell(sink, refusal);
      return NOTHING;
    }
    const view = catalogs.modernViewFor(caller.principal);
    const exchange = new ModernExchange(caller, view, message, sink, this.#options);
    exchange.load = load;
    exchange.join(caller.headers);
    runHandler(MODERN_METHODS.get(message.method), exchange);
    return () => exchange.cancel();
  }

  /** Ends the streams that would never end by themselves. */
  disconnect(): void {
    this.#options.listeners.disconnect();
  }

  /** Ends what is under way, each with an answer that says why. */
  cut(): void {
    for (const request of [...this.#options.underWay.keys()]) request.cancel(SHUT_DOWN);
  }

  /** An API key is over: what it has begun ends. */
  endOf(keyId: string): void {
    const { listeners, underWay } = this.#options;
    listeners.endOf(keyId);
    for (const [request, principal] of [...underWay]) if (principal.keyId === keyId) request.cancel(KEY_OVER);
  }

  /** The API keys that have opened streams. */
  get keyIds(): Iterable<string> {
    return this.#options.listeners.keyIds;
  }

  /** A server has been changed or removed: what was open towards it is closed. */
  dropServer(serverId: string): void {
    // What is listened to first, while its sessions are open.
    this.#options.hub.drop(serverId);
    this.#options.legacy.dropServer(serverId);
  }

  async close(): Promise<void> {
    this.#options.hub.close();
    await this.#options.legacy.close();
  }

  #heard(owner: Owner, serverId: string, message: Message): void {
    if (message.kind !== 'notification') return;
    if (message.method.endsWith('/list_changed')) this.#options.catalogs.changed(owner, serverId);
    else this.#options.hub.heard(owner, serverId, message);
  }

  #restarted(owner: Owner, serverId: string): void {
    this.#options.catalogs.changed(owner, serverId);
    this.#options.hub.restarted(owner, serverId);
  }
}
