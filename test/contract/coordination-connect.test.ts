import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Code, GatewayError } from '../../src/protocol/errors.ts';
import { makeCertificate, missingOpenssl, type TestCertificate } from '../support/certificate.ts';
import { LONG_MS, makeSession, startRedisNode } from '../support/coordination.ts';
import { type OwnRedis, startOwnRedis } from '../support/redis.ts';
import { append, Producer } from '../support/streams.ts';
import { until } from '../support/wait.ts';

const SOON = { startTimeoutMs: 500 };

function rejectsAtStart(pattern: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof GatewayError);
    assert.equal(error.code, Code.Unavailable);
    assert.match(error.message, pattern);
    assert.doesNotMatch(error.message, /sesame|wrong word/);
    return true;
  };
}

describe('a Redis that wants a password', () => {
  let redis: OwnRedis;
  before(async () => {
    redis = await startOwnRedis({ password: 'sesame' });
    // As docs/redis.md says.
    const rights = `~${redis.keyPrefix}* &${redis.keyPrefix}* +@all -@admin -@dangerous +info`;
    await redis.call('ACL', 'SETUSER', 'dragon', 'on', '>sesame:2', ...rights.split(' '));
  });
  after(() => redis.stop());

  const at = (credentials: string, rest = '') => ({
    url: `redis://${credentials}127.0.0.1:${redis.port}${rest}`,
    keyPrefix: redis.keyPrefix,
  });

  test('is used with it, and with a user of its own', async () => {
    for (const credentials of [':sesame@', 'dragon:sesame%3A2@']) {
      const node = await startRedisNode(at(credentials), 'a');
      await node.ping();
      assert.equal(await node.bus.send('a', { kind: 'test' }), true);
      const session = makeSession();
      await node.sessions.create(session, 'a', LONG_MS);
      assert.equal((await append(node.streams, session.id, 'x')).sequence, 1);
      assert.ok(await node.sessions.delete(session.id));
      await node.close();
    }
  });

  test('refuses without it, and with another, and the error says so', async () => {
    await assert.rejects(startRedisNode(at(''), 'a', SOON), rejectsAtStart(/NOAUTH/));
    await assert.rejects(startRedisNode(at(':wrong%20word@'), 'a', SOON), rejectsAtStart(/WRONGPASS/));
  });

  test('keeps the databases, and the prefixes, apart', async () => {
    const session = makeSession();
    const node = await startRedisNode(at(':sesame@', '/3'), 'a');
    await node.sessions.create(session, 'a', LONG_MS);
    const elsewhere = await startRedisNode(at(':sesame@'), 'b');
    assert.equal(await elsewhere.sessions.peek(session.id), undefined);
    const sameDatabase = { ...at(':sesame@', '/3'), keyPrefix: 'other:' };
    const stranger = await startRedisNode(sameDatabase, 'c');
    assert.equal(await stranger.sessions.peek(session.id), undefined);
    assert.equal(await node.bus.send('c', { kind: 'test' }), false);
    // It is the database that is still right after a reconnect.
    await redis.killConnections();
    await until(() => node.sessions.peek(session.id), { what: 'the session' });
    await Promise.all([node, elsewhere, stranger].map((each) => each.close()));
  });

  test('nothing is left without an end', async (t) => {
    const node = await startRedisNode(at(':sesame@', '/5'), 'a');
    t.after(() => node.close());
    const session = makeSession();
    await node.sessions.create(session, 'a', LONG_MS);
    const producer = new Producer(node.streams, session.id);
    await producer.append('x', { serverId: 'files', position: '1' });
    await producer.take('a');
    await node.leases.acquire('resource', 'a', LONG_MS);
    const member = { id: 'a', address: 'x', version: '1', started: 'x', sessions: 0, streams: 0 } as const;
    await node.members.beat({ ...member, state: 'ready' }, LONG_MS);
    const script = `
      redis.call('SELECT', 5)
      local found = {}
      for _, key in ipairs(redis.call('KEYS', '*')) do
        if redis.call('PTTL', key) < 0 then table.insert(found, key) end
      end
      return { #redis.call('KEYS', '*'), found }`;
    assert.deepEqual(await redis.call('EVAL', script, 0), [8, []]);
  });
});

describe('a Redis that speaks TLS', { skip: missingOpenssl() }, () => {
  let redis: OwnRedis;
  let certificate: TestCertificate;
  let cert: string;
  let key: string;
  before(async () => {
    certificate = makeCertificate('redis.test');
    ({ cert, key } = certificate);
    const args = [`--tls-cert-file ${cert} --tls-key-file ${key} --tls-ca-cert-file ${cert}`];
    redis = await startOwnRedis({ tls: true, args: [...args, '--tls-auth-clients optional'] });
  });
  after(async () => {
    await redis.stop();
    certificate.remove();
  });

  const at = (query: string) => ({
    url: `rediss://127.0.0.1:${redis.port}${query}`,
    keyPrefix: redis.keyPrefix,
  });

  test('is used when its certificate is that of the name', async () => {
    for (const query of [
      `?tls_ca=${cert}&tls_servername=redis.test`,
      `?tls_ca=${cert}&tls_servername=redis.test&tls_cert=${cert}&tls_key=${key}`,
      '?tls_verify=false',
    ]) {
      const node = await startRedisNode(at(query), 'a');
      await node.ping();
      assert.equal(await node.bus.send('a', { kind: 'test' }), true);
      await node.close();
    }
  });

  test('is refused when it is not', async () => {
    await assert.rejects(startRedisNode(at(''), 'a', SOON), rejectsAtStart(/self-signed/));
    await assert.rejects(
      startRedisNode(at(`?tls_ca=${cert}&tls_servername=other.test`), 'a', SOON),
      rejectsAtStart(/altnames/),
    );
  });

  test('a file that is not there is named', async () => {
    await assert.rejects(
      startRedisNode(at('?tls_ca=/nowhere/ca.pem'), 'a'),
      rejectsAtStart(/REDIS_URL.*\/nowhere\/ca\.pem/),
    );
  });
});
