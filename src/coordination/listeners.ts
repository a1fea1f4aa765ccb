import type { Logger } from '../telemetry/types.ts';
import type { BusListener, BusMessage } from './bus.ts';

/** Who listens to a node's bus. A listener that throws is logged and harms no other. */
export class Listeners {
  readonly #byKind = new Map<string, Set<BusListener>>();
  readonly #gap = new Set<() => void>();
  readonly #logger: Logger | undefined;

  constructor(logger: Logger | undefined) {
    this.#logger = logger;
  }

  on(kind: string, listener: BusListener): () => void {
    // A function of its own for each call: the same listener twice is two subscriptions.
    const own: BusListener = (message, from) => listener(message, from);
    const listeners = this.#byKind.get(kind) ?? new Set();
    this.#byKind.set(kind, listeners.add(own));
    return () => {
      listeners.delete(own);
      if (listeners.size === 0 && this.#byKind.get(kind) === listeners) this.#byKind.delete(kind);
    };
  }

  onGap(listener: () => void): () => void {
    const own = () => listener();
    this.#gap.add(own);
    return () => {
      this.#gap.delete(own);
    };
  }

  message(message: BusMessage, from: string): void {
    for (const listener of [...(this.#byKind.get(message.kind) ?? [])]) {
      this.#call(message.kind, () => listener(message, from));
    }
  }

  gap(): void {
    for (const listener of [...this.#gap]) this.#call('gap', listener);
  }

  clear(): void {
    this.#byKind.clear();
    this.#gap.clear();
  }

  #call(kind: string, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#logger?.error('A listener of the bus failed', { kind, err: error });
    }
  }
}
