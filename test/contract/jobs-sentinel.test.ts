import { after, before, describe } from 'node:test';
import { jobNodesOn } from '../support/jobs.ts';
import { startRedisSentinel, type TestRedis } from '../support/redis.ts';
import { jobsClusterContract } from './jobs-cluster-contract.ts';
import { jobsContract } from './jobs-contract.ts';

describe('jobs on a Redis behind a sentinel', () => {
  let redis: TestRedis;
  const start = jobNodesOn(() => redis);
  before(async () => {
    redis = await startRedisSentinel();
  });
  after(() => redis.stop());
  jobsContract(start);
  jobsClusterContract(start);
});
