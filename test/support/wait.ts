import { setTimeout as delay } from 'node:timers/promises';

export interface UntilOptions {
  /** What is waited for, for the message of the error. */
  readonly what: string;
  /** Default 10 s: far more than anything here takes, so that a slow machine fails nothing. */
  readonly timeoutMs?: number;
}

/** What a condition gives when it is met. */
type Truthy<T> = Exclude<T, null | undefined | false | 0 | ''>;

/**
 * Waits until `condition` gives something truthy, and returns it. A condition that throws is not met yet; its last
 * error is the cause of the one thrown when the time is over.
 */
export async function until<T>(condition: () => T | Promise<T>, options: UntilOptions): Promise<Truthy<T>> {
  const { what, timeoutMs = 10_000 } = options;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let cause: unknown;
    try {
      const value = await condition();
      if (value) return value as Truthy<T>;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`Waited ${timeoutMs} ms in vain for ${what}`, { cause });
    }
    await delay(10);
  }
}
