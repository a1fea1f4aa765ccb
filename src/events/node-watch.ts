import type { Members } from '../coordination/members.ts';

export interface NodeWatchOptions {
  readonly nodeId: string;
  readonly members: Pick<Members, 'list'>;
  /** Told of each node once, at one of those that are left. */
  readonly onGone: (nodeId: string) => void;
  /** Milliseconds between two looks; for tests. */
  readonly everyMs?: number;
}

const EVERY_MS = 5000;

/** Notices nodes that went without a word: of those that are left the one tells whose id is the first. */
export class NodeWatch {
  readonly #options: NodeWatchOptions;
  readonly #timer: NodeJS.Timeout;
  /** Those that are not to be told of when they are gone: told already, gone before the first look, or seen to stop. */
  #settled: ReadonlySet<string> | undefined;
  #isLooking = false;

  constructor(options: NodeWatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#look(), options.everyMs ?? EVERY_MS);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const { members, nodeId, onGone } = this.#options;
      const all = await members.list();
      const alive = all.filter(({ state }) => state !== 'gone').map(({ id }) => id);
      const before = this.#settled;
      // One that is forgotten by the others may be forgotten here.
      this.#settled = new Set(
        all
          .filter(({ id, state }) => before?.has(id) || state === 'gone' || state === 'draining')
          .map(({ id }) => id),
      );
      if (before === undefined) return;
      const gone = all.filter(({ id, state }) => state === 'gone' && !before.has(id));
      if (alive.every((id) => id >= nodeId)) for (const { id } of gone) onGone(id);
    } catch {
      // The store is away. Nobody is gone until it is back and still does not hear of them.
    } finally {
      this.#isLooking = false;
    }
  }
}
