import { Code, GatewayError } from '../protocol/errors.ts';

/** Work that is done again and again, wherever in the cluster: once in each interval, on one node at a time. */
export interface Schedule {
  /** The same on all nodes. */
  readonly name: string;
  /** Milliseconds from the beginning of one run to that of the next; 0: not done at all. */
  readonly everyMs: number;
  /** Milliseconds that a run may take; then its signal is aborted. */
  readonly maxMs: number;
  /**
   * One run. Ends soon once the signal is aborted: the time is over, or the node stops. What it rejects with is logged, and
   * the run is made again a little later.
   */
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Runs schedules, the first time at once. A run that takes longer than its interval is let end, and what would have begun
 * meanwhile is left out. One that fails is made again after a second, and once more after two, here or elsewhere.
 */
export interface Jobs {
  /** Runs it soon, besides its interval; where it is running, that run counts. Rejects with Unavailable while the store is away. */
  runNow(name: string): Promise<void>;
  /** Begins nothing more, lets what runs end for `patienceMs` at most, and leaves the rest to the other nodes. */
  close(patienceMs: number): Promise<void>;
}

/** How often a run that fails is made, in all. */
export const ATTEMPTS = 3;

/** Milliseconds between the first failure and the next attempt; doubles with each. */
export const RETRY_MS = 1000;

export function noSuchJob(name: string): GatewayError {
  return new GatewayError(Code.NotFound, `There is no job ${JSON.stringify(name)} here`);
}
