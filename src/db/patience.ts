import { setTimeout as delay } from 'node:timers/promises';
import { Code } from '../protocol/errors.ts';
import { databaseError, driverError } from './errors.ts';

/** How long a start waits for a database, in milliseconds. */
export interface Patience {
  /** For one that is not there: it may be on its way, and its address may be wrong. */
  readonly awayMs: number;
  /** For one that says that it is not ready yet: it will be there. Longer than `awayMs`, and the most of all. */
  readonly startingMs: number;
  /** Called once, with what is in the way, when there is something to wait for. */
  readonly onWait: (reason: string) => void;
}

/** `cannot_connect_now`: starting, recovering, or shutting down. */
const NOT_READY = '57P03';

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 500;

/**
 * Does `work` again until what is in the way has passed. Rejects with the last error when the time is over, and at once
 * with one that does not pass by itself.
 */
export async function patiently<T>(work: () => Promise<T>, patience: Patience): Promise<T> {
  const { awayMs, startingMs, onWait } = patience;
  let heardAt = performance.now();
  const end = heardAt + startingMs;
  for (let attempt = 0; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (databaseError(error).code !== Code.Unavailable) throw error;
      const isStarting = driverError(error)?.code === NOT_READY;
      if (isStarting) heardAt = performance.now();
      const pause = (0.5 + Math.random() / 2) * Math.min(FIRST_PAUSE_MS * 2 ** attempt, LONGEST_PAUSE_MS);
      if (performance.now() + pause > (isStarting ? end : Math.min(heardAt + awayMs, end))) throw error;
      if (attempt === 0) onWait(reasonOf(error));
      await delay(pause);
    }
  }
}

/** What the driver said, for the operator. */
export function reasonOf(error: unknown): string {
  const found = driverError(error);
  return found?.error.message || found?.code || 'unknown error';
}
