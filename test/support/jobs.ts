import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { openQueueConnection } from '../../src/coordination/redis/queue-connection.ts';
import { BullJobs, type BullJobsOptions } from '../../src/jobs/bullmq.ts';
import type { Jobs, Schedule } from '../../src/jobs/jobs.ts';
import { Runner } from '../../src/jobs/runner.ts';
import { type LoggedLine, recordingLogger } from './fakes.ts';
import { until } from './wait.ts';

/** Far longer than any test takes. */
export const LONG_MS = 600_000;

/** Tests that run at once: most of what they do is wait. */
export const AT_ONCE = 6;

/** A job that counts its runs, on whichever nodes they are made. */
export class CountedJob {
  readonly name: string;
  /** Names of the nodes, in order of the beginnings of runs. */
  readonly runs: string[] = [];
  running = 0;
  /** Most runs at the same time. */
  most = 0;
  /** Signals of runs that were told to end. */
  aborted = 0;
  /** Holds runs until it resolves. */
  hold: Promise<void> | undefined;
  /** What runs reject with. */
  failure: Error | undefined;

  constructor(name = 'test.count') {
    this.name = name;
  }

  /** The schedule of one node. */
  at(node: string, everyMs: number, more: Partial<Schedule> = {}): Schedule {
    return { name: this.name, everyMs, maxMs: LONG_MS, run: (signal) => this.#run(node, signal), ...more };
  }

  /** Waits for a number of runs. */
  async ran(times: number, node?: string): Promise<void> {
    const count = () => this.runs.filter((name) => node === undefined || name === node).length;
    await until(() => count() >= times, { what: `run ${times} of ${this.name}`, timeoutMs: 60_000 });
  }

  /** Waits until nothing runs. */
  async idle(): Promise<void> {
    await until(() => this.running === 0, { what: `the end of ${this.name}` });
  }

  async #run(node: string, signal: AbortSignal): Promise<void> {
    this.runs.push(node);
    this.running++;
    this.most = Math.max(this.most, this.running);
    const { promise: told, resolve } = Promise.withResolvers<void>();
    const onAbort = () => {
      this.aborted++;
      resolve();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      if (this.hold !== undefined) await Promise.race([this.hold, told]);
      if (this.failure !== undefined) throw this.failure;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.running--;
    }
  }
}

export interface JobNode {
  readonly jobs: Jobs;
  readonly lines: readonly LoggedLine[];
  /** How runs ended, each `<name> <outcome>`. */
  readonly outcomes: readonly string[];
}

/** What makes the runs of one node, and what it tells of them. */
export function makeRunner() {
  const logger = recordingLogger();
  const outcomes: string[] = [];
  const metrics = { job: (name: string, outcome: string) => outcomes.push(`${name} ${outcome}`) };
  return { runner: new Runner({ logger, metrics }), logger, lines: logger.lines, outcomes };
}

interface BullNode extends JobNode {
  /** As if the node had died: nothing that it does reaches Redis any more. */
  die(): Promise<void>;
  /** A key of its queue. */
  readonly queueKey: string;
}

export type MakeNode = (
  schedules: readonly Schedule[],
  nodeId?: string,
  options?: Partial<BullJobsOptions>,
) => Promise<BullNode>;

/** Begins a cluster of one test on a Redis that is there by then: what makes its nodes, which end with the test. */
export function jobNodesOn(redis: () => { readonly url: string; readonly keyPrefix: string }) {
  return (t: TestContext): MakeNode => {
    const { url, keyPrefix } = redis();
    const prefix = `${keyPrefix}${randomBytes(4).toString('hex')}:{jobs}`;
    const nodes: BullNode[] = [];
    t.after(() => Promise.all(nodes.map(({ jobs }) => jobs.close(0))));
    return async (schedules, nodeId = 'a', options = {}) => {
      const { runner, logger, lines, outcomes } = makeRunner();
      const connection = openQueueConnection(url, nodeId, prefix);
      const parts = { connection, prefix, nodeId, schedules, runner, logger };
      const jobs = new BullJobs({ ...parts, lockMs: 20_000, stalledMs: 500, checkMs: 300, ...options });
      const node = { jobs, lines, outcomes, queueKey: `${prefix}:jobs:wait`, die: () => connection.close() };
      nodes.push(node);
      return node;
    };
  };
}
