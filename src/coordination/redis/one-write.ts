import type { Cluster, Redis } from 'ioredis';
import { beforeWrites } from '../../turn-end.ts';

/**
 * Commands of one turn of the event loop leave in one write: a write costs several times what a command does. With a
 * cluster of Redis servers each command leaves by itself.
 */
export class OneWrite {
  readonly #client: Redis | Cluster;
  readonly #turnEnds = () => this.flush();
  #corked: Redis['stream'] | undefined;

  constructor(client: Redis | Cluster) {
    this.#client = client;
  }

  /** What is sent from now on leaves at the end of this turn, or with {@link flush}. */
  gather(): void {
    if (this.#corked !== undefined || !('stream' in this.#client)) return;
    // Whatever its type says: before the first connection there is none.
    const stream: Redis['stream'] | undefined = this.#client.stream;
    if (stream === undefined) return;
    stream.cork();
    this.#corked = stream;
    beforeWrites(this.#turnEnds);
  }

  flush(): void {
    this.#corked?.uncork();
    this.#corked = undefined;
  }
}
