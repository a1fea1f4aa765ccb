import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openConnection } from '../../src/coordination/redis/connection.ts';
import { openQueueConnection } from '../../src/coordination/redis/queue-connection.ts';
import { parseRedisUrl } from '../../src/coordination/redis/url.ts';
import { LONG_MS, makeSession, type RedisNode, startRedisNode, uniqueId } from '../support/coordination.ts';
import { startRedisSentinel, type TestRedisSentinel } from '../support/redis.ts';
import { until } from '../support/wait.ts';

describe('when sentinels make another Redis the master', () => {
  let redis: TestRedisSentinel;
  const nodes: RedisNode[] = [];
  before(async () => {
    redis = await startRedisSentinel();
    for (const name of ['a', 'b']) nodes.push(await startRedisNode(redis, uniqueId(name)));
  });
  after(async () => {
    await Promise.all(nodes.map((node) => node.close()));
    await redis.stop();
  });

  test('nobody needs a sentinel while the master stays what it is', async () => {
    const [a] = nodes as [RedisNode];
    const session = makeSession();
    await redis.sentinel.kill();
    await a.sessions.create(session, a.nodeId, LONG_MS);
    await redis.sentinel.start();
    await a.ping();
    assert.deepEqual(a.lines, []);
  });

  test('one that is told to go while it asks the sentinel where to comes back', async (t) => {
    for (const open of [
      () => openConnection(parseRedisUrl(redis.url), 'a'),
      () => openQueueConnection(redis.url, 'a', 'key'),
    ]) {
      const { client, close } = open();
      t.after(close);
      await until(() => client.status === 'ready', { what: 'the connection' });
      await redis.sentinel.pause();
      client.disconnect(true);
      await until(() => client.status === 'connecting', { what: 'the sentinel to be asked' });
      client.disconnect(true);
      await redis.sentinel.resume();
      await until(() => client.status === 'ready', { what: 'the connection to be back', timeoutMs: 60_000 });
    }
  });

  test('nodes follow it at once, with their sessions', async () => {
    const [a, b] = nodes as [RedisNode, RedisNode];
    const session = makeSession();
    await a.sessions.create(session, a.nodeId, LONG_MS);
    const heard: unknown[] = [];
    b.bus.on('test', (message) => heard.push(message['n']));
    await redis.failover();
    await until(() => a.gaps() > 0 && b.gaps() > 0, { what: 'the gaps to be told', timeoutMs: 60_000 });
    await until(() => Promise.all(nodes.map((node) => node.ping())), { what: 'both nodes' });
    await b.sessions.setLogLevel(session.id, 'debug');
    assert.equal((await a.sessions.peek(session.id))?.logLevel, 'debug');
    await until(() => a.bus.send(b.nodeId, { kind: 'test', n: 1 }), { what: 'the bus' });
    await until(() => heard.length > 0, { what: 'the message' });
  });
});
