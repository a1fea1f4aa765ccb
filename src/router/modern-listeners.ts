import type { Principal } from '../auth/principal.ts';

/** A stream that somebody listens on. */
export interface OpenListener {
  readonly principal: Principal;
  /** Ends it, and says that it was meant to end. */
  end(): void;
}

/** Streams of `subscriptions/listen` on this node. */
export class Listeners {
  readonly #open = new Set<OpenListener>();
  #isOver = false;

  get size(): number {
    return this.#open.size;
  }

  /** This node is leaving: who comes now is to come back elsewhere. */
  get isOver(): boolean {
    return this.#isOver;
  }

  add(listener: OpenListener): void {
    this.#open.add(listener);
  }

  delete(listener: OpenListener): void {
    this.#open.delete(listener);
  }

  /** Ends those that an API key has opened. */
  endOf(keyId: string): void {
    for (const listener of [...this.#open]) if (listener.principal.keyId === keyId) listener.end();
  }

  get keyIds(): ReadonlySet<string> {
    return new Set([...this.#open].flatMap(({ principal }) => principal.keyId ?? []));
  }

  /** Ends all, now and from now on: their clients come back, and not to here. */
  disconnect(): void {
    this.#isOver = true;
    for (const listener of [...this.#open]) listener.end();
  }
}
