import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { makeCertificate, missingOpenssl, type TestCertificate } from '../support/certificate.ts';
import { CountedJob, jobNodesOn, LONG_MS } from '../support/jobs.ts';
import { type OwnRedis, startOwnRedis, startRedisCluster, type TestRedisCluster } from '../support/redis.ts';
import { freePort } from '../support/redis-process.ts';

/** As docs/redis.md says. */
const RIGHTS = '+@all -@admin -@dangerous +info';
const CLUSTER_RIGHTS = '+cluster|slots +cluster|info +cluster|keyslot';

describe('jobs on a Redis that wants a password', () => {
  let redis: OwnRedis;
  before(async () => {
    redis = await startOwnRedis({ password: 'sesame' });
    const rights = `~${redis.keyPrefix}* &${redis.keyPrefix}* ${RIGHTS}`;
    await redis.call('ACL', 'SETUSER', 'dragon', 'on', '>sesame:2', ...rights.split(' '));
  });
  after(() => redis.stop());

  test('run with a user of its own, in a database of their own', async (t) => {
    const at = { url: `redis://dragon:sesame%3A2@127.0.0.1:${redis.port}/3`, keyPrefix: redis.keyPrefix };
    const make = jobNodesOn(() => at)(t);
    const job = new CountedJob();
    const a = await make([job.at('a', 500)], 'a');
    const b = await make([job.at('b', 500)], 'b');
    await job.ran(3);
    await a.jobs.runNow(job.name);
    assert.equal(await redis.call('EVAL', `return #redis.call('KEYS', '*')`, 0), 0);
    await a.jobs.close(LONG_MS);
    await job.ran(job.runs.length + 2);
    for (const { lines } of [a, b]) assert.deepEqual(lines, []);
  });
});

describe('jobs on a Redis Cluster with a user of its own', () => {
  let redis: TestRedisCluster;
  before(async () => {
    redis = await startRedisCluster();
    const rights = `~${redis.keyPrefix}* &${redis.keyPrefix}* ${RIGHTS} ${CLUSTER_RIGHTS}`;
    for (const master of redis.masters) {
      await master.call('ACL', 'SETUSER', 'dragon', 'on', '>word', ...rights.split(' '));
    }
  });
  after(() => redis.stop());

  test('run, from whichever server the others are found', async (t) => {
    const job = new CountedJob();
    for (const { port } of redis.masters) {
      const at = { url: `redis+cluster://dragon:word@127.0.0.1:${port}`, keyPrefix: redis.keyPrefix };
      const make = jobNodesOn(() => at)(t);
      const { lines } = await make([job.at(String(port), 500)], String(port));
      await job.ran(2, String(port));
      assert.deepEqual(lines, []);
    }
  });
});

describe('jobs on a Redis that speaks TLS', { skip: missingOpenssl() }, () => {
  let certificate: TestCertificate;
  let args: string;
  let query: string;
  before(() => {
    certificate = makeCertificate('redis.test');
    const { cert, key } = certificate;
    args = `--tls-cert-file ${cert} --tls-key-file ${key} --tls-ca-cert-file ${cert} --tls-auth-clients optional`;
    query = `?tls_ca=${cert}&tls_servername=redis.test`;
  });
  after(() => certificate.remove());

  test('run on one server', async (t) => {
    const { port, keyPrefix, stop } = await startOwnRedis({ tls: true, args: [args] });
    t.after(stop);
    const at = { url: `rediss://127.0.0.1:${port}${query}`, keyPrefix };
    const job = new CountedJob();
    await jobNodesOn(() => at)(t)([job.at('a', 500)]);
    await job.ran(3);
  });

  test('run on a cluster', async (t) => {
    const clustered = `--cluster-enabled yes --tls-cluster yes --cluster-port ${await freePort()}`;
    const { port, keyPrefix, call, stop } = await startOwnRedis({ tls: true, args: [args, clustered] });
    t.after(stop);
    await call('CLUSTER', 'ADDSLOTSRANGE', 0, 16_383);
    const at = { url: `rediss+cluster://127.0.0.1:${port}${query}`, keyPrefix };
    const job = new CountedJob();
    await jobNodesOn(() => at)(t)([job.at('a', 500)]);
    await job.ran(3);
  });
});
