import type { KeyObject } from 'node:crypto';
import type { Logger } from '../../telemetry/types.ts';
import type { Bus, BusListener, BusMessage } from '../bus.ts';
import type { Keys } from '../keys.ts';
import { Listeners } from '../listeners.ts';
import { unavailable } from '../unavailable.ts';
import type { Commands } from './commands.ts';
import type { Connection } from './connection.ts';
import { Envelopes } from './envelope.ts';
import { asNumber } from './replies.ts';
import { Subscription } from './subscription.ts';
import type { Watch } from './watch.ts';

export interface RedisBusOptions {
  readonly nodeId: string;
  readonly connection: Connection;
  readonly commands: Commands;
  readonly keys: Keys;
  /** See {@link Envelopes}. */
  readonly signingKeys: readonly KeyObject[];
  readonly watch: Watch;
  readonly logger: Logger;
}

/** Pub/sub: the sharded one under Redis Cluster, where the other kind is sent to every server. */
export class RedisBus implements Bus {
  readonly nodeId: string;
  readonly #options: RedisBusOptions;
  readonly #publish: 'SPUBLISH' | 'PUBLISH';
  readonly #listeners: Listeners;
  readonly #envelopes: Envelopes;
  readonly #subscriptions: readonly Subscription[];
  #closed = false;

  constructor(options: RedisBusOptions) {
    const { nodeId, connection, keys, watch, logger } = options;
    const { sharded } = connection;
    this.nodeId = nodeId;
    this.#options = options;
    this.#publish = sharded ? 'SPUBLISH' : 'PUBLISH';
    this.#listeners = new Listeners(logger);
    this.#envelopes = new Envelopes(options.signingKeys);
    const subscribe = (...channels: [string, ...string[]]) => {
      const part = `subscription to ${channels[0]}`;
      return new Subscription({
        channels,
        sharded,
        dial: () => connection.dial(channels[0]),
        onMessage: (channel, text) => this.#receive(channel, text),
        onUp: (again) => {
          watch.back(part);
          if (again) this.#listeners.gap();
        },
        onDown: (error) => watch.lost(part, error),
      });
    };
    const own = keys.node(nodeId);
    // Channels of a cluster may belong to two servers.
    this.#subscriptions = sharded
      ? [subscribe(own), subscribe(keys.everyone)]
      : [subscribe(own, keys.everyone)];
  }

  /** Resolves once this node hears what is sent. */
  async start(): Promise<void> {
    await Promise.all(this.#subscriptions.map((subscription) => subscription.start()));
  }

  get isUp(): boolean {
    return !this.#closed && this.#subscriptions.every((subscription) => subscription.isUp);
  }

  async send(to: string, message: BusMessage): Promise<boolean> {
    return (await this.#send(this.#options.keys.node(to), message)) > 0;
  }

  async broadcast(message: BusMessage): Promise<void> {
    await this.#send(this.#options.keys.everyone, message);
  }

  on(kind: string, listener: BusListener): () => void {
    return this.#listeners.on(kind, listener);
  }

  onGap(listener: () => void): () => void {
    return this.#listeners.onGap(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#listeners.clear();
    await Promise.all(this.#subscriptions.map((subscription) => subscription.close()));
  }

  async #send(channel: string, message: BusMessage): Promise<number> {
    if (this.#closed) throw unavailable();
    const text = this.#envelopes.seal(channel, { from: this.nodeId, message });
    return asNumber(await this.#options.commands.command(this.#publish, channel, text));
  }

  #receive(channel: string, text: string): void {
    const { nodeId, keys, logger } = this.#options;
    let envelope: ReturnType<Envelopes['open']>;
    try {
      envelope = this.#envelopes.open(channel, text);
    } catch (error) {
      return logger.warn('A message on the bus could not be read', { err: error });
    }
    const { message, from } = envelope;
    if (channel !== keys.everyone || from !== nodeId) this.#listeners.message(message, from);
  }
}
