import { filterText, type SubscriptionFilter } from '../protocol/modern/subscriptions.ts';
import type { SubscriptionListener } from './modern-port.ts';

/** Subscribes at the server, until the returned function is called. */
type Listen = (filter: SubscriptionFilter, listener: SubscriptionListener) => () => void;

interface Shared {
  readonly listeners: Set<SubscriptionListener>;
  /** What the server honours; absent until it has said so. */
  honoured: SubscriptionFilter | undefined;
  stop: (() => void) | undefined;
}

/** Subscriptions for the same, opened once at the server: a process has one pipe for them all, and may limit their number. */
export class SharedSubscriptions {
  readonly #listen: Listen;
  readonly #shared = new Map<string, Shared>();

  constructor(listen: Listen) {
    this.#listen = listen;
  }

  readonly listen: Listen = (filter, listener) => {
    const key = filterText(filter);
    const known = this.#shared.get(key);
    if (known === undefined) return this.#open(key, filter, listener);
    known.listeners.add(listener);
    const { honoured } = known;
    if (honoured !== undefined) {
      queueMicrotask(() => {
        if (known.listeners.has(listener)) listener.acknowledged(honoured);
      });
    }
    return () => this.#leave(key, known, listener);
  };

  #open(key: string, filter: SubscriptionFilter, listener: SubscriptionListener): () => void {
    const shared: Shared = { listeners: new Set([listener]), honoured: undefined, stop: undefined };
    this.#shared.set(key, shared);
    shared.stop = this.#listen(filter, {
      acknowledged: (honoured) => {
        shared.honoured = honoured;
        for (const each of [...shared.listeners]) each.acknowledged(honoured);
      },
      message: (message) => {
        for (const each of [...shared.listeners]) each.message(message);
      },
      restarted: () => {
        for (const each of [...shared.listeners]) each.restarted();
      },
      ended: (error) => {
        this.#remove(key, shared);
        for (const each of [...shared.listeners]) each.ended(error);
        shared.listeners.clear();
      },
    });
    return () => this.#leave(key, shared, listener);
  }

  #leave(key: string, shared: Shared, listener: SubscriptionListener): void {
    if (!shared.listeners.delete(listener) || shared.listeners.size > 0) return;
    this.#remove(key, shared);
    shared.stop?.();
  }

  #remove(key: string, shared: Shared): void {
    if (this.#shared.get(key) === shared) this.#shared.delete(key);
  }
}
