import { Limited } from './limited.ts';
import { ASK, type Part } from './part.ts';
import type { Limit } from './rules.ts';
import type { SharedStore } from './shared-store.ts';
import { Slots } from './slots.ts';
import { Tokens } from './tokens.ts';

export interface BucketOptions {
  readonly id: string;
  readonly limit: Limit;
  readonly shared: SharedStore | undefined;
  readonly now: () => number;
}

/** What one rule leaves to one of those that it counts for. */
export class Bucket {
  readonly id: string;
  /** It has been forgotten: another stands for the same now. */
  isDropped = false;
  readonly #limit: Limit;
  readonly #tokens: Tokens | undefined;
  readonly #slots: Slots | undefined;
  readonly #parts: readonly Part[];
  /** The last that was refused: an error costs as much as a call to make. */
  #refusal: Limited | undefined;

  constructor({ id, limit, shared, now }: BucketOptions) {
    const { calls, seconds, atOnce } = limit;
    this.id = id;
    this.#limit = limit;
    if (calls !== undefined && seconds !== undefined) {
      const rate = { calls, periodMs: Math.ceil(seconds * 1000) };
      this.#tokens = new Tokens({ id, rate, shared, now });
    }
    if (atOnce !== undefined) this.#slots = new Slots({ id, atOnce, shared, now });
    this.#parts = [this.#tokens, this.#slots].filter((part) => part !== undefined);
  }

  /** As {@link Part.look}, for all that there is. */
  look(now: number): number {
    let longest = 0;
    let isUnknown = false;
    for (const part of this.#parts) {
      const wait = part.look(now);
      if (wait === ASK) isUnknown = true;
      else if (wait > longest) longest = wait;
    }
    return longest > 0 ? longest : isUnknown ? ASK : 0;
  }

  take(now: number): void {
    for (const part of this.#parts) part.take(now);
  }

  /** A call is over that was let in. */
  leave(): void {
    this.#slots?.leave();
  }

  /** A call is over that was let in and never went. */
  undo(now: number): void {
    this.#tokens?.putBack(now);
    this.#slots?.leave();
  }

  /** As {@link Part.expect}. */
  expect(by: 1 | -1): void {
    for (const part of this.#parts) part.expect(by);
  }

  async ask(now: number): Promise<void> {
    await Promise.all(this.#parts.map((part) => (part.look(now) === ASK ? part.ask() : undefined)));
  }

  wanted(): void {
    this.#slots?.wanted();
  }

  /** False: there is nothing to look after. */
  tick(now: number): boolean {
    let isActive = false;
    for (const part of this.#parts) if (part.tick(now)) isActive = true;
    return isActive;
  }

  async close(): Promise<void> {
    await Promise.all(this.#parts.map((part) => part.close()));
  }

  isIdle(now: number): boolean {
    return this.#parts.every((part) => part.isIdle(now));
  }

  /** Nothing is under way that would not be counted any more. */
  get isFree(): boolean {
    return this.#slots?.isIdle() ?? true;
  }

  /** For a caller who may try again after so many milliseconds. */
  refusal(waitMs: number): Limited {
    const seconds = Math.max(1, Math.ceil(waitMs / 1000));
    if (this.#refusal?.retryAfter !== seconds) {
      const { label } = this.#limit;
      const again = `try again in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}`;
      this.#refusal = new Limited(`This is more than the limit "${label}" allows; ${again}`, label, seconds);
    }
    return this.#refusal;
  }
}
