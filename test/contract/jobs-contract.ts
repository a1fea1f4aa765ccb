import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { Schedule } from '../../src/jobs/jobs.ts';
import { Code, GatewayError } from '../../src/protocol/errors.ts';
import { AT_ONCE, CountedJob, type JobNode, LONG_MS } from '../support/jobs.ts';
import { until } from '../support/wait.ts';

/** Begins what no other test has: makes a node, which ends with the test. */
export type StartJobs = (t: TestContext) => (schedules: readonly Schedule[]) => Promise<JobNode>;

/** What every adapter promises of one node. */
export function jobsContract(start: StartJobs): void {
  describe('jobs of one node', { concurrency: AT_ONCE }, () => {
    test('a job runs at once, and again in each interval', async (t) => {
      const make = start(t);
      const job = new CountedJob();
      const { outcomes, lines } = await make([job.at('a', 1000)]);
      await job.ran(3);
      await until(() => outcomes.length >= 2, { what: 'ends of runs' });
      assert.deepEqual(new Set(outcomes), new Set(['test.count ok']));
      assert.deepEqual(lines, []);
    });

    test('jobs do not wait for each other', async (t) => {
      const make = start(t);
      const [slow, quick] = [new CountedJob('test.slow'), new CountedJob('test.quick')];
      const { promise, resolve } = Promise.withResolvers<void>();
      slow.hold = promise;
      await make([slow.at('a', 1000), quick.at('a', 1000)]);
      await slow.ran(1);
      await quick.ran(3);
      assert.equal(slow.runs.length, 1);
      resolve();
      await slow.ran(2);
    });

    test('a run that takes longer than its interval is let end; what would have begun meanwhile is left out', async (t) => {
      const make = start(t);
      const job = new CountedJob();
      const clock = new CountedJob('test.clock');
      const { promise, resolve } = Promise.withResolvers<void>();
      job.hold = promise;
      await make([job.at('a', 500), clock.at('a', 500)]);
      await job.ran(1);
      await clock.ran(4);
      assert.equal(job.runs.length, 1);
      job.hold = undefined;
      resolve();
      await job.ran(2);
      assert.equal(job.most, 1);
    });

    test('a run that fails is logged, and made again soon; whatever happens, the next follow', async (t) => {
      const make = start(t);
      const job = new CountedJob();
      job.failure = new GatewayError(Code.Unavailable, 'The store is away');
      const { outcomes, lines } = await make([job.at('a', LONG_MS)]);
      await job.ran(3);
      await until(() => outcomes.length === 3, { what: 'ends of runs' });
      assert.deepEqual(new Set(outcomes), new Set(['test.count error']));
      assert.deepEqual(
        lines.map(({ level, message, fields }) => [level, message, fields]),
        Array(3).fill(['warn', 'a job failed', { job: 'test.count', reason: 'The store is away' }]),
      );
      job.failure = undefined;
    });

    test('a run that fails goes on when what was wrong is well again', async (t) => {
      const make = start(t);
      const job = new CountedJob();
      job.failure = new Error('a bug');
      const { outcomes, lines } = await make([job.at('a', LONG_MS)]);
      await until(() => outcomes.length === 1, { what: 'the first failure' });
      job.failure = undefined;
      await until(() => outcomes.length === 2, { what: 'the next attempt' });
      assert.deepEqual(outcomes, ['test.count error', 'test.count ok']);
      assert.match(String(lines[0]?.fields['err']), /a bug/);
    });

    test('a run that takes too long is told to end', async (t) => {
      const make = start(t);
      const job = new CountedJob();
      job.hold = new Promise(() => {});
      const { outcomes } = await make([job.at('a', LONG_MS, { maxMs: 50 })]);
      await until(() => outcomes.length >= 1, { what: 'the end' });
      assert.ok(job.aborted >= 1);
      assert.equal(outcomes[0], 'test.count error');
      job.hold = undefined;
    });

    test('a job that is switched off never runs', async (t) => {
      const make = start(t);
      const [off, on] = [new CountedJob('test.off'), new CountedJob('test.on')];
      const { jobs } = await make([off.at('a', 0), on.at('a', 500)]);
      await on.ran(3);
      assert.deepEqual(off.runs, []);
      await assert.rejects(jobs.runNow('test.off'), isNotFound);
    });

    test('a job can be run now', async (t) => {
      const make = start(t);
      const job = new CountedJob();
      const { jobs, outcomes } = await make([job.at('a', LONG_MS)]);
      await until(() => outcomes.length === 1, { what: 'the first run' });
      await jobs.runNow(job.name);
      await job.ran(2);
      await assert.rejects(jobs.runNow('test.other'), isNotFound);
    });

    test('where it runs already, that run counts', async (t) => {
      const make = start(t);
      const [job, clock] = [new CountedJob(), new CountedJob('test.clock')];
      const { promise, resolve } = Promise.withResolvers<void>();
      job.hold = promise;
      const { jobs } = await make([job.at('a', LONG_MS), clock.at('a', 500)]);
      await job.ran(1);
      await jobs.runNow(job.name);
      await clock.ran(4);
      resolve();
      await job.idle();
      await clock.ran(7);
      assert.equal(job.runs.length, 1);
    });
  });

  describe('a node that stops', { concurrency: AT_ONCE }, () => {
    test('waits for what runs, and begins nothing more', async (t) => {
      const make = start(t);
      const job = new CountedJob();
      const { promise, resolve } = Promise.withResolvers<void>();
      job.hold = promise;
      const { jobs, outcomes } = await make([job.at('a', 500)]);
      await job.ran(1);
      let isClosed = false;
      const closed = jobs.close(LONG_MS).then(() => {
        isClosed = true;
      });
      await new Promise((done) => setImmediate(done));
      assert.equal(isClosed, false);
      resolve();
      await closed;
      assert.deepEqual([job.running, job.aborted], [0, 0]);
      assert.deepEqual(outcomes, ['test.count ok']);
      assert.equal(job.runs.length, 1);
    });

    test('does not wait for ever: what runs too long is told to end', async (t) => {
      const make = start(t);
      const job = new CountedJob();
      job.hold = new Promise(() => {});
      const { jobs, outcomes } = await make([job.at('a', 500)]);
      await job.ran(1);
      await jobs.close(10);
      assert.deepEqual([job.running, job.aborted], [0, 1]);
      assert.deepEqual(outcomes, ['test.count error']);
    });

    test('nor for a run that does not listen', async (t) => {
      const make = start(t);
      const deaf = Promise.withResolvers<void>();
      const started = Promise.withResolvers<void>();
      const run = () => {
        started.resolve();
        return deaf.promise;
      };
      const { jobs } = await make([{ name: 'test.deaf', everyMs: 500, maxMs: LONG_MS, run }]);
      await started.promise;
      await jobs.close(10);
      deaf.resolve();
    });

    test('may be told twice', async (t) => {
      const make = start(t);
      const { jobs } = await make([new CountedJob().at('a', 500)]);
      await Promise.all([jobs.close(LONG_MS), jobs.close(LONG_MS)]);
    });
  });
}

function isNotFound(error: unknown): boolean {
  return error instanceof GatewayError && error.code === Code.NotFound;
}
