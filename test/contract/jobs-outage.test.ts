import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Code, GatewayError } from '../../src/protocol/errors.ts';
import { CountedJob, jobNodesOn, LONG_MS } from '../support/jobs.ts';
import {
  type OwnRedis,
  startOwnRedis,
  startRedisCluster,
  startRedisSentinel,
  type TestRedisCluster,
  type TestRedisSentinel,
} from '../support/redis.ts';
import { until } from '../support/wait.ts';

describe('jobs while Redis is away', () => {
  let redis: OwnRedis;
  const start = jobNodesOn(() => redis);
  before(async () => {
    redis = await startOwnRedis();
  });
  afterEach(() => redis.resume());
  after(() => redis.stop());

  test('go on when it is back with nothing of what it knew, and the log has one line', async (t) => {
    const [make, job] = [start(t), new CountedJob()];
    const a = await make([job.at('a', 500)], 'a');
    const b = await make([job.at('b', 500)], 'b');
    await job.ran(2);
    await redis.kill();
    await until(() => [a, b].every(({ lines }) => lines.length > 0), { what: 'the log', timeoutMs: 30_000 });
    await job.idle();
    const before = job.runs.length;
    await redis.start();
    await job.ran(before + 3);
    for (const { lines } of [a, b]) {
      assert.deepEqual(
        lines.map(({ level, message }) => `${level} ${message}`),
        ['warn the job queue is in trouble'],
      );
    }
  });

  test('go on when it has hung', async (t) => {
    const [make, job] = [start(t), new CountedJob()];
    const a = await make([job.at('a', 500)], 'a');
    await job.ran(2);
    await redis.pause();
    await until(() => a.lines.length > 0, { what: 'the log', timeoutMs: 60_000 });
    await job.idle();
    const before = job.runs.length;
    await redis.resume();
    await job.ran(before + 3);
  });

  test('go on when connections are cut, again and again', async (t) => {
    const [make, job] = [start(t), new CountedJob()];
    await make([job.at('a', 500)], 'a');
    await make([job.at('b', 500)], 'b');
    for (let times = 0; times < 5; times++) {
      await job.ran(job.runs.length + 1);
      await redis.killConnections();
    }
    await job.ran(job.runs.length + 3);
  });

  test('a run that is under way ends, and is told of when it is back', async (t) => {
    const [make, job] = [start(t), new CountedJob()];
    const { promise, resolve } = Promise.withResolvers<void>();
    job.hold = promise;
    const a = await make([job.at('a', 500)], 'a');
    await job.ran(1);
    await redis.killConnections();
    job.hold = undefined;
    resolve();
    await until(() => a.outcomes.length > 0, { what: 'the end of the run' });
    await job.ran(3);
    assert.deepEqual(new Set(a.outcomes), new Set(['test.count ok']));
  });

  test('commands that it refuses are not sent again and again', async (t) => {
    const [make, job] = [start(t), new CountedJob()];
    const a = await make([job.at('a', 500)], 'a', { lockMs: 2000 });
    await job.ran(2);
    await redis.call('CONFIG', 'SET', 'maxmemory', 1);
    await redis.call('CONFIG', 'RESETSTAT');
    const refused = async () => {
      const stats = String(await redis.call('INFO', 'errorstats'));
      return Number(/errorstat_OOM:count=(\d+)/.exec(stats)?.[1] ?? 0);
    };
    const startedAt = performance.now();
    await until(async () => (await refused()) >= 7, { what: 'refusals', timeoutMs: 60_000 });
    // Without a pause there are thousands in a second, and seven in no time.
    const perSecond = (7 * 1000) / (performance.now() - startedAt);
    await redis.call('CONFIG', 'SET', 'maxmemory', 0);
    assert.ok(perSecond < 100, `${perSecond} refusals in a second`);
    assert.equal(a.lines.filter(({ message }) => message === 'the job queue is in trouble').length, 1);
    await job.ran(job.runs.length + 2);
  });

  test('a node that stops meanwhile ends, and one that wants a run is told', async (t) => {
    const [make, job] = [start(t), new CountedJob()];
    const a = await make([job.at('a', LONG_MS)], 'a');
    await job.ran(1);
    await job.idle();
    await redis.kill();
    await assert.rejects(
      a.jobs.runNow(job.name),
      (error: unknown) => error instanceof GatewayError && error.code === Code.Unavailable,
    );
    await a.jobs.close(LONG_MS);
    await redis.start();
  });
});

describe('jobs while a master of a Redis Cluster is away', () => {
  let redis: TestRedisCluster;
  const start = jobNodesOn(() => redis);
  before(async () => {
    redis = await startRedisCluster();
  });
  after(() => redis.stop());

  test('go on when it is back, on every node', async (t) => {
    const [make, job] = [start(t), new CountedJob()];
    const names = ['a', 'b', 'c', 'd'];
    const nodes = await Promise.all(names.map((name) => make([job.at(name, 500)], name)));
    await job.ran(2);
    const master = await redis.ownerOf(await redis.slotOf(nodes[0]!.queueKey));
    await master.kill();
    await until(() => nodes.every(({ lines }) => lines.length > 0), { what: 'the log', timeoutMs: 60_000 });
    await master.start();
    for (const [place, { jobs }] of nodes.entries()) {
      // Each of them takes jobs again: the others are stopped one after the other.
      await job.ran(job.runs.length + 2);
      if (place < names.length - 1) await jobs.close(LONG_MS);
    }
    await job.ran(job.runs.length + 2);
    assert.equal(job.runs.at(-1), 'd');
  });
});

describe('jobs when sentinels make another Redis the master', () => {
  let redis: TestRedisSentinel;
  const start = jobNodesOn(() => redis);
  before(async () => {
    redis = await startRedisSentinel();
  });
  after(() => redis.stop());

  test('go on there', async (t) => {
    const [make, job] = [start(t), new CountedJob()];
    await make([job.at('a', 500)], 'a');
    await make([job.at('b', 500)], 'b');
    await job.ran(2);
    await redis.failover();
    await job.ran(job.runs.length + 4);
  });
});
