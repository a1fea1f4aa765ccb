import type { Leases } from '../coordination/leases.ts';
import type { Members } from '../coordination/members.ts';

export interface NodeWatchOptions {
  readonly nodeId: string;
  readonly members: Pick<Members, 'list'>;
  readonly leases: Pick<Leases, 'acquire'>;
  /** Told of each node once, at one of those that are left. */
  readonly onGone: (nodeId: string) => void;
  /** Milliseconds between two looks; for tests. */
  readonly everyMs?: number;
}

const EVERY_MS = 5000;

/** Longer than a node that is gone is listed. */
const TOLD_MS = 600_000;

/** Notices nodes that went without a word: of those that have seen them alive, the first to notice tells. */
export class NodeWatch {
  readonly #options: NodeWatchOptions;
  readonly #timer: NodeJS.Timeout;
  /** Those that are not to be told of when they are gone: told already, gone before the first look, or seen to stop. */
  #settled: Set<string> | undefined;
  #isLooking = false;

  constructor(options: NodeWatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#look(), options.everyMs ?? EVERY_MS);
    this.#timer.unref();
    // At once: who dies in the next seconds was seen alive.
    void this.#look();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const all = await this.#options.members.list();
      const before = this.#settled;
      // One that is forgotten by the others may be forgotten here.
      const settled = all.filter(
        ({ id, state }) => before?.has(id) || state === 'gone' || state === 'draining',
      );
      this.#settled = new Set(settled.map(({ id }) => id));
      if (before === undefined) return;
      const gone = settled.filter(({ id, state }) => state === 'gone' && !before.has(id));
      await Promise.all(gone.map(({ id }) => this.#tell(id)));
    } catch {
      // The store is away. Nobody is gone until it is back and still does not hear of them.
    } finally {
      this.#isLooking = false;
    }
  }

  async #tell(id: string): Promise<void> {
    const { leases, nodeId, onGone } = this.#options;
    const told = await leases.acquire(`gone:${id}`, nodeId, TOLD_MS).catch(() => undefined);
    // The store is away: it is looked at again.
    if (told === undefined) this.#settled?.delete(id);
    else if (told.owner === nodeId) onGone(id);
  }
}
