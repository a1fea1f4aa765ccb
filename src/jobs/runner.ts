import { Code, GatewayError } from '../protocol/errors.ts';
import type { Logger, Metrics } from '../telemetry/types.ts';
import type { Schedule } from './jobs.ts';

/** How long a run that was told to end is waited for, in milliseconds. */
const GRACE_MS = 1000;

export interface RunnerOptions {
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'job'>;
}

/** Makes the runs of this node, whoever says when: ends them in time, counts them, and tells of those that fail. */
export class Runner {
  readonly #options: RunnerOptions;
  readonly #running = new Map<AbortController, Promise<void>>();

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /** Rejects with why the run failed, after it was logged. `abort` tells it to end. */
  async run(schedule: Schedule, abort: AbortController = new AbortController()): Promise<void> {
    const running = this.#run(schedule, abort);
    this.#running.set(abort, running);
    try {
      await running;
    } finally {
      this.#running.delete(abort);
    }
  }

  /** Resolves when nothing runs any more, after `patienceMs` in any case; what still runs then is told to end, and given a second. */
  async drain(patienceMs: number): Promise<void> {
    await this.#ended(patienceMs);
    for (const abort of this.#running.keys()) abort.abort();
    await this.#ended(GRACE_MS);
  }

  async #ended(patienceMs: number): Promise<void> {
    const { promise: patience, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, patienceMs);
    await Promise.race([patience, Promise.allSettled(this.#running.values())]);
    clearTimeout(timer);
  }

  async #run({ name, maxMs, run }: Schedule, abort: AbortController): Promise<void> {
    const { logger, metrics } = this.#options;
    const startedAt = performance.now();
    const timer = setTimeout(() => abort.abort(), maxMs);
    let failure: GatewayError | undefined;
    try {
      await run(abort.signal);
      if (abort.signal.aborted) failure = new GatewayError(Code.Cancelled, 'It was ended before it was done');
    } catch (error) {
      failure = GatewayError.from(error);
    } finally {
      clearTimeout(timer);
    }
    metrics.job(name, failure === undefined ? 'ok' : 'error', (performance.now() - startedAt) / 1000);
    if (failure === undefined) return;
    const bug = failure.code === Code.Internal ? { err: failure.cause } : {};
    logger.warn('a job failed', { job: name, reason: failure.message, ...bug });
    throw failure;
  }
}
