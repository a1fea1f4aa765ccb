import type { Bus } from '../coordination/bus.ts';
import type { Members } from '../coordination/members.ts';

/** Between two looks at the members, in milliseconds. */
const LOOK_MS = 500;

/** After messages were missed or the store was away: time for every node to say that it is there. */
const GRACE_MS = 2500;

export interface NodeWatchOptions {
  readonly members: Members;
  readonly bus: Bus;
  /** Nodes whose end has to be noticed; none: nothing is asked. */
  readonly watched: () => ReadonlySet<string>;
  /** Told at every look for as long as the node is watched. */
  readonly onGone: (node: string) => void;
}

/** Notices the end of nodes that this one has something to do with. */
export class NodeWatch {
  readonly #options: NodeWatchOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #unsubscribe: () => void;
  #quietUntil = 0;
  #isLooking = false;

  constructor(options: NodeWatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#look(), LOOK_MS);
    this.#timer.unref();
    this.#unsubscribe = options.bus.onGap(() => this.#beQuiet());
  }

  close(): void {
    clearInterval(this.#timer);
    this.#unsubscribe();
  }

  async #look(): Promise<void> {
    const { members, watched, onGone } = this.#options;
    const nodes = watched();
    if (nodes.size === 0 || this.#isLooking) return;
    this.#isLooking = true;
    try {
      const alive = new Set<string>();
      for (const { id, state } of await members.list()) if (state !== 'gone') alive.add(id);
      if (Date.now() < this.#quietUntil) return;
      for (const node of nodes) if (!alive.has(node)) onGone(node);
    } catch {
      this.#beQuiet();
    } finally {
      this.#isLooking = false;
    }
  }

  #beQuiet(): void {
    this.#quietUntil = Date.now() + GRACE_MS;
  }
}
