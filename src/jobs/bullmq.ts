import { setTimeout as delay } from 'node:timers/promises';
import { type ConnectionOptions, DelayedError, type Job, Queue, Worker } from 'bullmq';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Logger } from '../telemetry/types.ts';
import { ATTEMPTS, type Jobs, noSuchJob, RETRY_MS, type Schedule } from './jobs.ts';
import type { Runner } from './runner.ts';

const QUEUE = 'jobs';

/** Milliseconds for which a node that runs something is believed to live, and between two looks for nodes that do not. */
const LOCK_MS = 10_000;
const STALLED_MS = 5000;

/** Milliseconds between two looks at whether the schedules stand: Redis may have lost them. */
const CHECK_MS = 30_000;

/** Milliseconds in which Redis has to answer. */
const ANSWER_MS = 5000;

/** Milliseconds for the good-bye of a node whose runs have ended. */
const CLOSE_MS = 2000;

/** How often a job that a node does not know is left to the others, and for how many milliseconds each time. */
const HAND_BACKS = 5;
const HAND_BACK_MS = 2000;

/** At most so often, in milliseconds, the log tells that the queue is in trouble. */
const TELL_MS = 60_000;

/** Of a schedule in Redis: when the node was started that said how it is to be, milliseconds since the epoch. */
interface Said {
  readonly since?: number;
}

export interface BullJobsOptions {
  /** Commands on it wait until Redis is there. It is closed with the jobs. */
  readonly connection: {
    readonly client: ConnectionOptions;
    readonly isUp: boolean;
    close(): Promise<void>;
  };
  /** What the queue's keys begin with: a hash tag in it keeps them on one server of a Redis Cluster. */
  readonly prefix: string;
  readonly nodeId: string;
  readonly schedules: readonly Schedule[];
  readonly runner: Runner;
  readonly logger: Logger;
  /** Milliseconds, where others than the usual: for tests. */
  readonly lockMs?: number;
  readonly stalledMs?: number;
  readonly checkMs?: number;
}

/**
 * Jobs of a cluster, in one queue of BullMQ's: its schedulers put in one job for each interval, and whichever node is
 * free takes it. What a node was at when it died is taken by another.
 */
export class BullJobs implements Jobs {
  readonly #options: BullJobsOptions;
  readonly #known: ReadonlyMap<string, Schedule>;
  readonly #queue: Queue<Said>;
  readonly #worker: Worker<Said>;
  readonly #running = new Map<string, AbortController>();
  readonly #closing = new AbortController();
  readonly #check: NodeJS.Timeout;
  readonly #since = Date.now();
  #settingUp: Promise<void> | undefined;
  #healing = false;
  /** Troubles since one was last told, and when that was. */
  #troubles = 0;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(options: BullJobsOptions) {
    this.#options = options;
    const { prefix, nodeId, lockMs = LOCK_MS, stalledMs = STALLED_MS, checkMs = CHECK_MS } = options;
    const wanted = options.schedules.filter(({ everyMs }) => everyMs > 0);
    this.#known = new Map(wanted.map((schedule) => [schedule.name, schedule]));
    // It would print what it thinks of the server's version and settings.
    const common = { connection: options.connection.client, prefix, skipVersionCheck: true };
    this.#queue = new Queue(QUEUE, { ...common, streams: { events: { maxLen: 100 } } });
    this.#worker = new Worker(QUEUE, (job, token) => this.#process(job, token ?? ''), {
      ...common,
      name: nodeId,
      concurrency: Math.max(1, wanted.length),
      lockDuration: lockMs,
      stalledInterval: stalledMs,
      maxStalledCount: 2,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 20 },
    });
    this.#queue.on('error', (error) => this.#trouble(error));
    this.#worker.on('error', (error) => this.#trouble(error));
    this.#worker.on('stalled', (id) =>
      options.logger.info('a job of a node that has gone is run again', { id }),
    );
    this.#worker.on('failed', (job, error) => {
      const isGivenUp = error.name === 'UnrecoverableError';
      if (isGivenUp) options.logger.warn('a job is given up', { job: job?.name, reason: error.message });
    });
    this.#worker.on('lockRenewalFailed', (ids) => {
      // Another node may have it by now.
      for (const id of ids) this.#running.get(id)?.abort();
    });
    const check = () => {
      if (!this.#healing) this.#setUp().catch((error) => this.#trouble(error));
    };
    this.#check = setInterval(check, checkMs);
    this.#check.unref();
    check();
  }

  async runNow(name: string): Promise<void> {
    if (!this.#known.has(name)) throw noSuchJob(name);
    const added = this.#queue.add(name, {}, { ...JOB, deduplication: { id: name } });
    await inTime(added).catch((cause) => {
      throw new GatewayError(Code.Unavailable, 'The job queue does not answer; try again', { cause });
    });
  }

  async close(patienceMs: number): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    clearInterval(this.#check);
    const { connection, runner } = this.#options;
    // Where Redis is away it would wait for an answer to its good-bye, and for as long look after what runs.
    const closed = this.#worker.close(!connection.isUp);
    await runner.drain(patienceMs);
    // What is left is to say how runs ended. What cannot be said is found out by the other nodes.
    await inTime(closed, CLOSE_MS).catch(() => {});
    await connection.close();
    await inTime(this.#queue.close(), CLOSE_MS).catch(() => {});
  }

  async #process(job: Job<Said>, token: string): Promise<void> {
    const schedule = this.#known.get(job.name);
    if (schedule === undefined) return await this.#handBack(job, token);
    const id = job.id ?? '';
    if (await this.#runsAlready(job.name, id)) return;
    const abort = new AbortController();
    this.#running.set(id, abort);
    try {
      await this.#options.runner.run(schedule, abort);
    } finally {
      this.#running.delete(id);
    }
  }

  /** The last run may have taken longer than the interval. Of jobs under way the first in the list is the newest. */
  async #runsAlready(name: string, id: string): Promise<boolean> {
    const active = (await this.#queue.getJobs('active', 0, -1, false)).filter((job) => job.name === name);
    return active.findIndex((job) => job.id === id) < active.length - 1;
  }

  /** A newer node may know what this is. What nobody knows is left over from a version that is no more. */
  async #handBack(job: Job<Said>, token: string): Promise<void> {
    if (job.attemptsStarted < HAND_BACKS) {
      await job.moveToDelayed(Date.now() + HAND_BACK_MS, token);
      throw new DelayedError();
    }
    this.#options.logger.debug('a job that no node knows is dropped', { job: job.name });
    // Where a node does know it after all, that one sets it up again.
    if (job.repeatJobKey !== undefined) await this.#queue.removeJobScheduler(job.repeatJobKey);
  }

  /** Sets up the schedules that are not as they should be. */
  async #setUp(): Promise<void> {
    // What waits for Redis is not asked again.
    this.#settingUp ??= this.#setUpAll().finally(() => {
      this.#settingUp = undefined;
    });
    await inTime(this.#settingUp);
  }

  async #setUpAll(): Promise<void> {
    for (const schedule of this.#options.schedules) await this.#setUpOne(schedule);
  }

  /** Of nodes that want different intervals the one that was started last has its way. */
  async #setUpOne({ name, everyMs }: Schedule): Promise<void> {
    const stored = await this.#queue.getJobScheduler(name);
    if (stored !== undefined && (stored.template?.data?.since ?? 0) > this.#since) return;
    if (everyMs === 0) {
      if (stored !== undefined) await this.#queue.removeJobScheduler(name);
      return;
    }
    // It goes on by itself, one job putting in the next, unless Redis has lost one of them.
    const isBroken = (stored?.next ?? 0) < Date.now() - everyMs - CHECK_MS;
    if (stored?.every === everyMs && !isBroken) return;
    await this.#queue.upsertJobScheduler(
      name,
      { every: everyMs },
      { name, data: { since: this.#since }, opts: JOB },
    );
  }

  /** A worker whose commands are refused would send them again at once, for ever: it rests until Redis takes ours. */
  #trouble(error: Error): void {
    const { signal } = this.#closing;
    if (signal.aborted) return;
    this.#troubles++;
    if (performance.now() - this.#toldAt > TELL_MS) {
      const fields = { reason: error.message, times: this.#troubles };
      this.#options.logger.warn('the job queue is in trouble', fields);
      this.#toldAt = performance.now();
      this.#troubles = 0;
    }
    if (this.#healing) return;
    this.#healing = true;
    this.#heal(signal)
      .catch(() => {})
      .finally(() => {
        this.#healing = false;
      });
  }

  async #heal(signal: AbortSignal): Promise<void> {
    await this.#worker.pause(true);
    for (let isWell = false; !isWell; ) {
      await delay(RETRY_MS * (1 + Math.random()), undefined, { signal, ref: false });
      isWell = await this.#setUp().then(
        () => true,
        () => false,
      );
    }
    if (!signal.aborted) await this.#worker.resume();
  }
}

const JOB = {
  attempts: ATTEMPTS,
  backoff: { type: 'exponential', delay: RETRY_MS },
  removeOnComplete: true,
  removeOnFail: { count: 20 },
};

async function inTime<T>(answer: Promise<T>, ms = ANSWER_MS): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`No answer within ${ms} ms`)), ms);
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
