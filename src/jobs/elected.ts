import { InProcessJobs } from './in-process.ts';
import { type Jobs, noSuchJob, type Schedule } from './jobs.ts';
import type { Runner } from './runner.ts';

export interface ElectedJobsOptions {
  readonly schedules: readonly Schedule[];
  readonly runner: Runner;
  /** Calls the listener once this node is the one that runs jobs, which it stays until it ends. */
  readonly onElected: (listener: () => void) => void;
}

/** Jobs of nodes of which somebody picks one: timers, on that one. */
export class ElectedJobs implements Jobs {
  readonly #schedules: readonly Schedule[];
  readonly #runner: Runner;
  #jobs: InProcessJobs | undefined;
  #closed = false;

  constructor({ schedules, runner, onElected }: ElectedJobsOptions) {
    this.#schedules = schedules;
    this.#runner = runner;
    onElected(() => {
      if (!this.#closed) this.#jobs ??= new InProcessJobs(schedules, runner);
    });
  }

  async runNow(name: string): Promise<void> {
    if (this.#jobs !== undefined) return this.#jobs.runNow(name);
    const schedule = this.#schedules.find((each) => each.name === name && each.everyMs > 0);
    if (schedule === undefined || this.#closed) throw noSuchJob(name);
    this.#runner.run(schedule).catch(() => {
      // Logged where it was run; it has its next time on the node that was picked.
    });
  }

  async close(patienceMs: number): Promise<void> {
    this.#closed = true;
    await (this.#jobs?.close(patienceMs) ?? this.#runner.drain(patienceMs));
  }
}
