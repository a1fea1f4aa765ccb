import { setTimeout as delay } from 'node:timers/promises';
import { ASK, type Part } from './part.ts';
import type { SharedStore } from './shared-store.ts';

/** Slots of a node that is gone are free after so long, in milliseconds. */
const TTL_MS = 10_000;
const RENEW_MS = TTL_MS / 3;

/** A node keeps at most this share of all slots to spare while calls come, and none after so many milliseconds without need. */
const SHARE = 1 / 16;
const SPARE_MS = 1000;

/** How long others have to give back what they can spare. */
const GIVE_MS = 30;

/** After a refusal the others are asked again at the earliest after so many milliseconds. */
const ASK_AGAIN_MS = 100;

/** Nobody knows when a call ends: a client may try again after a second. */
const TRY_AGAIN_MS = 1000;

export interface SlotsOptions {
  readonly id: string;
  readonly atOnce: number;
  /** Undefined: this node is alone. */
  readonly shared: SharedStore | undefined;
  readonly now: () => number;
}

/**
 * How many calls of a limit may be under way here. Nodes share the slots: each has as many as it uses, and a few to spare,
 * which it gives back when another has need of them.
 */
export class Slots implements Part {
  readonly #id: string;
  readonly #atOnce: number;
  readonly #spare: number;
  readonly #shared: SharedStore | undefined;
  readonly #now: () => number;
  #used = 0;
  /** Those that the store has noted for this node, since when. */
  #held = 0;
  #heldSince = 0;
  /** When there was none to spare. */
  #neededAt = 0;
  #askAt = 0;
  #busy: Promise<void> | undefined;
  #waiting = 0;
  #isWanted = false;

  constructor({ id, atOnce, shared, now }: SlotsOptions) {
    this.#id = id;
    this.#atOnce = atOnce;
    this.#spare = Math.floor(atOnce * SHARE);
    this.#shared = shared;
    this.#now = now;
  }

  look(now: number): number {
    if (this.#shared === undefined || this.#shared.isAway)
      return this.#used < this.#atOnce ? 0 : TRY_AGAIN_MS;
    const isKept = now - this.#heldSince < TTL_MS;
    if (isKept && this.#used < this.#held) return 0;
    if (isKept && this.#held >= this.#atOnce) return TRY_AGAIN_MS;
    return now < this.#askAt ? TRY_AGAIN_MS : ASK;
  }

  take(now: number): void {
    this.#used++;
    if (this.#used >= this.#held) this.#neededAt = now;
  }

  leave(): void {
    this.#used--;
  }

  expect(by: 1 | -1): void {
    this.#waiting += by;
  }

  async ask(): Promise<void> {
    // What is under way may have been begun without this one.
    await this.#busy;
    await this.#change(() => this.#used + this.#waiting + this.#spare);
    if (this.#used < this.#held || this.#shared === undefined || this.#shared.isAway) return;
    await this.#change(async () => {
      this.#shared?.want(this.#id);
      await delay(GIVE_MS);
      return this.#used + this.#waiting;
    });
    if (this.#used >= this.#held) this.#askAt = this.#now() + ASK_AGAIN_MS;
  }

  /** Another node has need of what is not used here. */
  wanted(): void {
    if (this.#busy !== undefined) this.#isWanted = true;
    else if (this.#held > this.#used) void this.#change(() => this.#used);
  }

  tick(now: number): boolean {
    const isUsed = this.#held > 0 || this.#used > 0 || this.#waiting > 0;
    if (this.#shared?.isAway !== false) return isUsed;
    const isNeeded = now - this.#neededAt < SPARE_MS;
    const keep = isNeeded ? this.#held : this.#used;
    if (this.#busy === undefined && (keep < this.#held || now - this.#heldSince >= RENEW_MS))
      void this.#change(() => Math.max(keep, this.#used));
    return isUsed;
  }

  async close(): Promise<void> {
    while (this.#busy !== undefined) await this.#busy;
    if (this.#held > 0) await this.#change(() => 0);
  }

  isIdle(): boolean {
    return this.#used === 0 && this.#held === 0 && this.#waiting === 0 && this.#busy === undefined;
  }

  /** One at a time: the last word that the store hears has to be the last that was said. */
  #change(count: () => number | Promise<number>): Promise<void> {
    this.#busy ??= this.#hold(count).finally(() => {
      this.#busy = undefined;
      if (!this.#isWanted) return;
      this.#isWanted = false;
      if (this.#waiting === 0) this.wanted();
    });
    return this.#busy;
  }

  async #hold(count: () => number | Promise<number>): Promise<void> {
    const found = count();
    const wanted = Math.min(this.#atOnce, typeof found === 'number' ? found : await found);
    const sentAt = this.#now();
    // What is given back is not to be used meanwhile.
    this.#held = Math.min(this.#held, wanted);
    const held = await this.#shared?.ask((store) =>
      store.hold(this.#id, this.#atOnce, this.#shared?.nodeId ?? '', wanted, TTL_MS),
    );
    // It may have been done, or not. The next change says anew what there is.
    if (held === undefined) return;
    this.#held = held;
    this.#heldSince = sentAt;
  }
}
