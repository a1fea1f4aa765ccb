import { after, before, describe } from 'node:test';
import { nodesOn } from '../support/coordination.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { coordinationContract } from './coordination-contract.ts';

describe('coordination on one Redis', () => {
  let redis: TestRedis;
  const nodes = nodesOn(() => redis);
  before(async () => {
    redis = await startRedis();
  });
  after(async () => {
    await nodes.close();
    await redis.stop();
  });
  coordinationContract(nodes.make);
});
