import type { Member, Members } from './members.ts';

/** Between two beats, in milliseconds. A node that misses three is gone: one lost beat moves nothing. */
const BEAT_MS = 1000;
const GONE_AFTER_MS = 3 * BEAT_MS;

/** Keeps this node in the list of members, with what `describe` says of it at each beat. */
export class Heartbeat {
  readonly #members: Members;
  readonly #describe: () => Member;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(members: Members, describe: () => Member) {
    this.#members = members;
    this.#describe = describe;
  }

  /** Beats at once, and from then on. Also for a node that has news of itself. Resolves when the others can have heard. */
  async beat(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#members.beat(this.#describe(), GONE_AFTER_MS).catch(() => {
      // The store is away. The next beat says that this node is not.
    });
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.beat(), BEAT_MS);
    this.#timer.unref();
  }

  /** Says good-bye: nobody has to wait for this node's time to run out. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#members.leave(this.#describe().id).catch(() => {
      // The store is away; the time will run out.
    });
  }
}
