import { type EventLoopUtilization, performance } from 'node:perf_hooks';

/** A process that spends more of its time than this has something better to do. */
const BUSY = 0.6;

/** Of the time of a busy process so much, at most, goes to events; what waits is stored when there is time. */
const SHARE = 0.05;

/** How long to rest after a batch, so that storing events takes nothing from calls. */
export class Pace {
  #last: EventLoopUtilization = performance.eventLoopUtilization();

  /** Milliseconds. `tookMs`: time that the batch took of this process. */
  restMs(tookMs: number): number {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#last);
    this.#last = now;
    return utilization > BUSY ? Math.min(2000, tookMs / SHARE) : 0;
  }
}
