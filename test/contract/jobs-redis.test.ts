import { after, before, describe } from 'node:test';
import { jobNodesOn } from '../support/jobs.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { jobsClusterContract } from './jobs-cluster-contract.ts';
import { jobsContract } from './jobs-contract.ts';

describe('jobs on one Redis', () => {
  let redis: TestRedis;
  const start = jobNodesOn(() => redis);
  before(async () => {
    redis = await startRedis();
  });
  after(() => redis.stop());
  jobsContract(start);
  jobsClusterContract(start);
});
