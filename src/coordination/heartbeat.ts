import type { Member, Members } from './members.ts';

/** A node that is well is heard of at least this often, in milliseconds. Who waits for one that died is told within two. */
export const HEARTBEAT_MS = 1500;

/** It beats twice as often: one beat that is lost, or late by a second because the node is busy, moves nothing. */
const BEAT_MS = HEARTBEAT_MS / 2;

/** A node that was not heard of for so long is gone. */
export const GONE_AFTER_MS = 2500;

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
    if (this.#stopped) return;
    // The pace does not wait for answers: a store that is slow would make it slow. Where a busy node missed its time, the
    // timer is due as soon as the node comes to itself.
    clearInterval(this.#timer);
    this.#timer = setInterval(() => void this.#send(), BEAT_MS);
    this.#timer.unref();
    await this.#send();
  }

  /** Says good-bye: nobody has to wait for this node's time to run out. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#members.leave(this.#describe().id).catch(() => {
      // The store is away; the time will run out.
    });
  }

  async #send(): Promise<void> {
    await this.#members.beat(this.#describe(), GONE_AFTER_MS).catch(() => {
      // The store is away. The next beat says that this node is not.
    });
  }
}
