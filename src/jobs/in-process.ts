import { ATTEMPTS, type Jobs, noSuchJob, RETRY_MS, type Schedule } from './jobs.ts';
import type { Runner } from './runner.ts';

/** Jobs of a gateway that is one node: timers. */
export class InProcessJobs implements Jobs {
  readonly #runner: Runner;
  readonly #entries: ReadonlyMap<string, Entry>;
  #closed = false;

  constructor(schedules: readonly Schedule[], runner: Runner) {
    this.#runner = runner;
    const wanted = schedules.filter(({ everyMs }) => everyMs > 0);
    this.#entries = new Map(wanted.map((schedule) => [schedule.name, new Entry(schedule)]));
    for (const entry of this.#entries.values()) {
      entry.interval = setInterval(() => void this.#run(entry), entry.schedule.everyMs);
      entry.interval.unref();
      void this.#run(entry);
    }
  }

  async runNow(name: string): Promise<void> {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw noSuchJob(name);
    void this.#run(entry);
  }

  async close(patienceMs: number): Promise<void> {
    this.#closed = true;
    for (const { interval, retry } of this.#entries.values()) {
      clearInterval(interval);
      clearTimeout(retry);
    }
    await this.#runner.drain(patienceMs);
  }

  async #run(entry: Entry, attempt = 1): Promise<void> {
    if (entry.isRunning || this.#closed) return;
    clearTimeout(entry.retry);
    entry.isRunning = true;
    try {
      await this.#runner.run(entry.schedule);
    } catch {
      if (attempt === ATTEMPTS || this.#closed) return;
      entry.retry = setTimeout(() => void this.#run(entry, attempt + 1), RETRY_MS * 2 ** (attempt - 1));
      entry.retry.unref();
    } finally {
      entry.isRunning = false;
    }
  }
}

class Entry {
  readonly schedule: Schedule;
  interval: NodeJS.Timeout | undefined;
  retry: NodeJS.Timeout | undefined;
  isRunning = false;

  constructor(schedule: Schedule) {
    this.schedule = schedule;
  }
}
