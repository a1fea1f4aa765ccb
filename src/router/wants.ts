import type { Bus } from '../coordination/bus.ts';
import type { SessionStore } from '../coordination/session-store.ts';

const CHANGED = 'wants.changed';
const HEARD = 'wants.heard';

/** For how long a client's request waits for nodes that do not answer, in milliseconds. */
const PATIENCE_MS = 1000;

export interface WantsOptions {
  readonly bus: Bus;
  readonly store: SessionStore;
  /** What the client of a session wants has changed on another node: takes it over from the store. */
  readonly changed: (sessionId: string) => Promise<void>;
}

/**
 * Tells the other nodes of a session that its client wants something else of servers: another log level, other
 * subscriptions. A server that keeps no session has to be told with each request, from whichever node.
 */
export class Wants {
  readonly #options: WantsOptions;
  readonly #waiting = new Map<string, () => void>();
  readonly #unsubscribe: readonly (() => void)[];
  #lastTurn = 0;

  constructor(options: WantsOptions) {
    this.#options = options;
    const { bus } = options;
    this.#unsubscribe = [
      bus.on(CHANGED, ({ session, turn }, from) => {
        const heard = () => {
          bus.send(from, { kind: HEARD, turn }).catch(() => {
            // It does not wait for long.
          });
        };
        options.changed(String(session)).then(heard, heard);
      }),
      bus.on(HEARD, ({ turn }, from) => this.#waiting.get(`${from} ${turn}`)?.()),
    ];
  }

  /** Resolves when all of them know, or have had their time. Never rejects. */
  async tell(sessionId: string): Promise<void> {
    const { bus, store } = this.#options;
    const nodes = await store.nodesOf(sessionId).catch(() => []);
    const turn = ++this.#lastTurn;
    await Promise.all(
      nodes.filter((node) => node !== bus.nodeId).map((node) => this.#ask(node, sessionId, turn)),
    );
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    for (const heard of this.#waiting.values()) heard();
  }

  #ask(node: string, session: string, turn: number): Promise<void> {
    return new Promise((resolve) => {
      const key = `${node} ${turn}`;
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(key);
        resolve();
      };
      const timer = setTimeout(done, PATIENCE_MS);
      timer.unref();
      this.#waiting.set(key, done);
      this.#options.bus.send(node, { kind: CHANGED, session, turn }).then((isHeard) => {
        if (!isHeard) done();
      }, done);
    });
  }
}
