import type { Cluster, Redis } from 'ioredis';

/** What ioredis writes to, of a connection to one server. */
type Stream = Pick<NodeJS.WritableStream & { cork(): void; uncork(): void }, 'cork' | 'uncork'>;

/**
 * Commands of one turn of the event loop leave in one write: a write costs several times what a command does. With a
 * cluster of Redis servers each command leaves by itself.
 */
export class OneWrite {
  readonly #client: Redis | Cluster;
  readonly #turnEnds = () => this.flush();
  #corked: Stream | undefined;
  #next: NodeJS.Immediate | undefined;

  constructor(client: Redis | Cluster) {
    this.#client = client;
  }

  /** What is sent from now on leaves at the end of this turn, or with {@link flush}. */
  gather(): void {
    if (this.#corked !== undefined || !('stream' in this.#client)) return;
    // There is none before the first connection.
    this.#corked = this.#client.stream as Stream | undefined;
    this.#corked?.cork();
    if (this.#corked !== undefined) this.#next = setImmediate(this.#turnEnds);
  }

  flush(): void {
    if (this.#next !== undefined) clearImmediate(this.#next);
    this.#next = undefined;
    this.#corked?.uncork();
    this.#corked = undefined;
  }
}
