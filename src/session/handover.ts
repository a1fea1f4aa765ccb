import type { Bus } from '../coordination/bus.ts';

/** To the node that had a stream: another has it now. */
export const STREAM_MOVED = 'stream.moved';
/** Its answer: it does not listen to servers any more. */
export const STREAM_LEFT = 'stream.left';

/** How long the node that had a stream is waited for, in milliseconds. */
const PATIENCE_MS = 1000;

/**
 * Takes a stream from another node. That one is told, and has a moment to stop listening to servers: what it hears after
 * the stream was taken it drops, and many servers have one stream for a session only.
 */
export class Handover {
  readonly #bus: Bus;
  readonly #sessionId: string;
  /** While the other node may still listen. */
  pending: Promise<void> | undefined;
  #from: string | undefined;
  #over = () => {};

  constructor(bus: Bus, sessionId: string) {
    this.#bus = bus;
    this.#sessionId = sessionId;
  }

  start(from: string, takes: number): void {
    this.#over();
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, PATIENCE_MS);
    timer.unref();
    const pending = promise.then(() => {
      clearTimeout(timer);
      if (this.pending === pending) this.pending = undefined;
    });
    this.pending = pending;
    this.#from = from;
    this.#over = resolve;
    // A node that does not hear of it finds out with the next event that it has for the log.
    this.#bus.send(from, { kind: STREAM_MOVED, session: this.#sessionId, takes }).then(
      (isThere) => isThere || resolve(),
      () => resolve(),
    );
  }

  /** This node has stopped listening. */
  left(node: string): void {
    if (node === this.#from) this.#over();
  }

  close(): void {
    this.#over();
  }
}
