import cluster from 'node:cluster';
import { Channel } from '../ipc/channel.ts';
import { processWire } from '../ipc/process-wire.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Logger } from '../telemetry/types.ts';
import { type Ports, PRIMARY, type Seat, WORKER } from './messages.ts';

export interface SupervisorOptions {
  readonly count: number;
  /** What the ids of the workers begin with. */
  readonly nodeId: string;
  /** Path of the program that each of them runs. */
  readonly program: string;
  /** Those that they are to listen on; 0: any free one, the same for all. */
  readonly ports: Ports;
  /** Has a process that was just started take part in what the primary keeps. Returns what is to be done when it has ended. */
  readonly admit: (nodeId: string, channel: Channel) => () => void;
  /** What it has to know, once all is there that it needs. */
  readonly seat: (channel: Channel) => Promise<Pick<Seat, 'environment' | 'fleetKey'>>;
  readonly logger: Logger;
}

export interface Worker {
  /** From 1; one that is started again has the number of the one before, and another id. */
  readonly number: number;
  readonly nodeId: string;
  readonly channel: Channel;
}

interface Running extends Worker {
  readonly pid: number | undefined;
  kill(): void;
  /** Since when it serves, milliseconds of `performance.now()`. */
  readySince: number | undefined;
  /** Why it cannot start. */
  reason: string | undefined;
}

/** One that has served for so long did not end because of how it was started. */
const CALM_MS = 30_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;

/** For what a worker does beside letting calls end, until it is killed. */
const STOP_GRACE_MS = 5000;

/** Starts the workers, starts those again that end, and stops them. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  /** By their numbers. */
  readonly #running = new Map<number, Running>();
  readonly #pauses = new Map<number, NodeJS.Timeout>();
  /** Starts in a row that came to nothing, by number. */
  readonly #failures = new Map<number, number>();
  readonly #started = Promise.withResolvers<Ports>();
  #hasStarted = false;
  #forks = 0;
  #asked: Ports;
  #ports: Ports | undefined;
  #elected: Running | undefined;
  #stopping: (() => void) | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#asked = options.ports;
  }

  /**
   * Resolves with the ports when all workers serve. Rejects where one of them cannot: with FailedPrecondition and its
   * reason, or, where that is a fault of ours, with an Error. The others go on then, until they are stopped.
   */
  async start(): Promise<Ports> {
    // All wait at the same socket. So nothing is lost with a worker that dies but what it has taken, and who is busy
    // takes less.
    cluster.schedulingPolicy = cluster.SCHED_NONE;
    cluster.setupPrimary({ exec: this.#options.program, args: [], serialization: 'advanced' });
    for (let number = 1; number <= this.#options.count; number++) this.#fork(number);
    return this.#started.promise;
  }

  /** Those that serve, in order of their numbers. */
  get serving(): readonly Worker[] {
    return [...this.#running.values()]
      .filter(({ readySince }) => readySince !== undefined)
      .sort((a, b) => a.number - b.number);
  }

  /** Stops all, each as it would on SIGTERM, and kills what has not ended `limitMs` after `delayMs` and a little more. */
  async stop(delayMs: number, limitMs: number): Promise<void> {
    for (const pause of this.#pauses.values()) clearTimeout(pause);
    const stopped = new Promise<void>((resolve) => {
      this.#stopping = resolve;
    });
    if (this.#running.size === 0) return;
    for (const worker of this.#running.values()) {
      // One that does not serve yet has nobody to say good-bye to.
      if (worker.readySince === undefined) worker.kill();
      else worker.channel.tell(WORKER.stop, delayMs);
    }
    const late = setTimeout(
      () => {
        for (const worker of this.#running.values()) {
          this.#options.logger.error('a worker did not stop in time, and is killed', {
            worker: worker.nodeId,
          });
          worker.kill();
        }
      },
      delayMs + limitMs + STOP_GRACE_MS,
    );
    await stopped;
    clearTimeout(late);
  }

  #fork(number: number): void {
    const { admit, seat, logger } = this.#options;
    const nodeId = `${this.#options.nodeId}-${++this.#forks}`;
    const forked = cluster.fork();
    const channel = new Channel(processWire(forked.process), logger);
    const leave = admit(nodeId, channel);
    const worker: Running = {
      number,
      nodeId,
      channel,
      pid: forked.process.pid,
      kill: () => void forked.process.kill('SIGKILL'),
      readySince: undefined,
      reason: undefined,
    };
    this.#running.set(number, worker);
    const ports = this.#asked;
    channel.serve(PRIMARY.seat, async (): Promise<Seat> => ({ ...(await seat(channel)), nodeId, ports }));
    channel.serve(PRIMARY.ready, (found: Ports) => this.#ready(worker, found));
    channel.serve(PRIMARY.failed, (reason: string) => {
      worker.reason = reason;
    });
    // The last that it has said may be read after it has ended.
    forked.process.once('disconnect', leave);
    forked.once('exit', (code, signal) => {
      leave();
      this.#ended(worker, signal ?? `exit code ${code}`);
    });
    forked.on('error', (error) => {
      // One that could not be started at all: there is no exit.
      if (worker.pid !== undefined) return;
      leave();
      this.#ended(worker, error.message);
    });
  }

  #ready(worker: Running, found: Ports): void {
    const { logger, count } = this.#options;
    this.#ports ??= found;
    if (found.mcp !== this.#ports.mcp || found.management !== this.#ports.management) {
      // All others ended while it started, and the free ports that they had with them.
      worker.kill();
      return;
    }
    worker.readySince = performance.now();
    logger.info('a worker serves', { worker: worker.nodeId, pid: worker.pid });
    this.#elect();
    if (this.#hasStarted || this.serving.length < count) return;
    this.#hasStarted = true;
    this.#started.resolve(this.#ports);
  }

  #ended(worker: Running, how: string): void {
    const { number, nodeId, reason } = worker;
    this.#running.delete(number);
    // Nobody holds them any more. They have been told to people, so they are to be had again.
    if (this.#running.size === 0 && this.#ports !== undefined) this.#asked = this.#ports;
    if (this.#stopping !== undefined) {
      if (this.#running.size === 0) this.#stopping();
      return;
    }
    if (this.#elected === worker) this.#elected = undefined;
    this.#elect();
    if (!this.#hasStarted) {
      this.#started.reject(
        reason === undefined
          ? new Error(`A worker ended before it served: ${how}`)
          : new GatewayError(Code.FailedPrecondition, reason),
      );
      return;
    }
    const pauseMs = this.#pauseMs(worker);
    const why = reason === undefined ? {} : { reason };
    this.#options.logger.error('a worker ended, and is started again', {
      worker: nodeId,
      how,
      ...why,
      pauseMs,
    });
    const pause = setTimeout(() => {
      this.#pauses.delete(number);
      this.#fork(number);
    }, pauseMs);
    this.#pauses.set(number, pause);
  }

  #pauseMs({ number, readySince }: Running): number {
    const isCalm = readySince !== undefined && performance.now() - readySince > CALM_MS;
    const failures = isCalm ? 0 : (this.#failures.get(number) ?? 0);
    this.#failures.set(number, failures + 1);
    const longest = Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS);
    return Math.round(longest * (0.5 + Math.random() / 2));
  }

  /** One runs jobs, until it ends. */
  #elect(): void {
    if (this.#elected !== undefined) return;
    this.#elected = [...this.#running.values()].find(({ readySince }) => readySince !== undefined);
    this.#elected?.channel.tell(WORKER.elected);
  }
}
