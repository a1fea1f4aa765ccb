import { after, before, describe } from 'node:test';
import { nodesOn } from '../support/coordination.ts';
import { startRedisSentinel, type TestRedis } from '../support/redis.ts';
import { coordinationContract } from './coordination-contract.ts';

describe('coordination on a Redis behind a sentinel', () => {
  let redis: TestRedis;
  const nodes = nodesOn(() => redis);
  before(async () => {
    redis = await startRedisSentinel();
  });
  after(async () => {
    await nodes.close();
    await redis.stop();
  });
  coordinationContract(nodes.make);
});
