import type { Logger } from '../../telemetry/types.ts';
import type { Bus, BusListener, BusMessage } from '../bus.ts';
import { Listeners } from '../listeners.ts';
import { unavailable } from '../unavailable.ts';
import type { MemoryHub } from './hub.ts';

export class MemoryBus implements Bus {
  readonly nodeId: string;
  readonly #hub: MemoryHub;
  readonly #listeners: Listeners;
  readonly #receive: (json: string, from: string) => void;
  #closed = false;

  constructor(nodeId: string, hub: MemoryHub, logger: Logger | undefined) {
    this.nodeId = nodeId;
    this.#hub = hub;
    this.#listeners = new Listeners(logger);
    // Later, as from a wire: nobody may count on a listener having run when `send` returns.
    this.#receive = (json, from) => {
      setImmediate(() => {
        if (!this.#closed) this.#listeners.message(JSON.parse(json), from);
      });
    };
    hub.receivers.set(nodeId, this.#receive);
  }

  async send(to: string, message: BusMessage): Promise<boolean> {
    if (this.#closed) throw unavailable();
    const receive = this.#hub.receivers.get(to);
    receive?.(JSON.stringify(message), this.nodeId);
    return receive !== undefined;
  }

  async broadcast(message: BusMessage): Promise<void> {
    if (this.#closed) throw unavailable();
    const json = JSON.stringify(message);
    for (const [id, receive] of this.#hub.receivers) if (id !== this.nodeId) receive(json, this.nodeId);
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
    if (this.#hub.receivers.get(this.nodeId) === this.#receive) this.#hub.receivers.delete(this.nodeId);
  }
}
