import { describe } from 'node:test';
import { InProcessJobs } from '../../src/jobs/in-process.ts';
import { makeRunner } from '../support/jobs.ts';
import { jobsContract } from './jobs-contract.ts';

describe('jobs in this process', () => {
  jobsContract((t) => async (schedules) => {
    const { runner, lines, outcomes } = makeRunner();
    const jobs = new InProcessJobs(schedules, runner);
    t.after(() => jobs.close(0));
    return { jobs, lines, outcomes };
  });
});
