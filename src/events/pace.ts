import { type EventLoopUtilization, performance } from 'node:perf_hooks';

/** A process that spends more of its time than this has something better to do. */
const BUSY = 0.6;

/** Of the time of a busy process so much goes to events that wait; all of it where no more may wait. */
const LEAST_SHARE = 0.02;

/** How long to rest after a batch, so that storing events takes little from calls: what waits is stored when there is time. */
export class Pace {
  readonly #most: number;
  #last: EventLoopUtilization = performance.eventLoopUtilization();

  /** `most`: of the time of a busy process, however much waits. */
  constructor(most: number) {
    this.#most = most;
  }

  /** Milliseconds. `tookMs`: what the batch took; `backlog`: how much waits, of what may. */
  restMs(tookMs: number, backlog: number): number {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#last);
    this.#last = now;
    if (utilization <= BUSY) return 0;
    const share = Math.max(LEAST_SHARE, Math.min(this.#most, backlog * 2));
    return Math.min(2000, tookMs / share - tookMs);
  }
}
