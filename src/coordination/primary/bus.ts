import type { Channel } from '../../ipc/channel.ts';
import type { Logger } from '../../telemetry/types.ts';
import type { Bus, BusListener, BusMessage } from '../bus.ts';
import { Listeners } from '../listeners.ts';
import { unavailable } from '../unavailable.ts';
import { BUS } from './methods.ts';

/** Nothing is ever missed: where the primary is away, so is this node. */
export class PrimaryBus implements Bus {
  readonly nodeId: string;
  readonly #channel: Channel;
  readonly #listeners: Listeners;
  #closed = false;

  constructor(nodeId: string, channel: Channel, logger: Logger | undefined) {
    this.nodeId = nodeId;
    this.#channel = channel;
    this.#listeners = new Listeners(logger);
    channel.serve(BUS.message, (json: string, from: string) => {
      if (!this.#closed) this.#listeners.message(JSON.parse(json), from);
    });
  }

  async send(to: string, message: BusMessage): Promise<boolean> {
    if (this.#closed) throw unavailable();
    return (await this.#channel.call(BUS.send, to, JSON.stringify(message))) === true;
  }

  async broadcast(message: BusMessage): Promise<void> {
    if (this.#closed) throw unavailable();
    await this.#channel.call(BUS.broadcast, JSON.stringify(message));
  }

  on(kind: string, listener: BusListener): () => void {
    return this.#listeners.on(kind, listener);
  }

  onGap(listener: () => void): () => void {
    return this.#listeners.onGap(listener);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#listeners.clear();
    await this.#channel.call(BUS.close).catch(() => {
      // The primary has gone, and has forgotten this node with that.
    });
  }
}
