import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ElectedJobs } from '../../src/jobs/elected.ts';
import { CountedJob, LONG_MS, makeRunner } from '../support/jobs.ts';
import { jobsContract } from './jobs-contract.ts';

describe('jobs on the node that was picked', () => {
  jobsContract((t) => async (schedules) => {
    const { runner, lines, outcomes } = makeRunner();
    const jobs = new ElectedJobs({ schedules, runner, onElected: (listener) => listener() });
    t.after(() => jobs.close(0));
    return { jobs, lines, outcomes };
  });
});

describe('jobs on a node that was not picked', () => {
  function start(job: CountedJob) {
    const { runner, outcomes } = makeRunner();
    const { promise: elected, resolve: elect } = Promise.withResolvers<void>();
    const onElected = (listener: () => void) => void elected.then(listener);
    const jobs = new ElectedJobs({ schedules: [job.at('a', LONG_MS)], runner, onElected });
    return { jobs, outcomes, elect };
  }

  test('run once it is', async (t) => {
    const job = new CountedJob();
    const { jobs, elect } = start(job);
    t.after(() => jobs.close(0));
    const other = new CountedJob('test.other');
    const picked = start(other);
    t.after(() => picked.jobs.close(0));
    picked.elect();
    await other.ran(1);
    assert.equal(job.runs.length, 0);
    elect();
    await job.ran(1);
  });

  test('run where somebody asks for it, and no more when it stops', async () => {
    const job = new CountedJob();
    const { jobs, elect, outcomes } = start(job);
    await jobs.runNow(job.name);
    await job.ran(1);
    await assert.rejects(jobs.runNow('test.other'), /no job "test.other"/);
    await jobs.close(LONG_MS);
    assert.deepEqual(outcomes, ['test.count ok']);
    elect();
    await assert.rejects(jobs.runNow(job.name), /no job/);
    assert.equal(job.runs.length, 1);
  });
});
