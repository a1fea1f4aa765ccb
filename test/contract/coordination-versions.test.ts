import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createKeys } from '../../src/coordination/keys.ts';
import { LONG_MS, makeLink, makeSession, type RedisNode, startRedisNode } from '../support/coordination.ts';
import { type OwnRedis, startOwnRedis } from '../support/redis.ts';
import { until } from '../support/wait.ts';

describe('what a later version has written', () => {
  let redis: OwnRedis;
  let node: RedisNode;
  before(async () => {
    redis = await startOwnRedis();
    node = await startRedisNode(redis, 'a');
  });
  after(async () => {
    await node.close();
    await redis.stop();
  });

  const put = (id: string, field: string, value: unknown, line = '') =>
    redis.call('HSET', createKeys(redis.keyPrefix).session(id), field, line + JSON.stringify(value));

  test('a session of a form that is not known is not known', async () => {
    const session = makeSession();
    await put(session.id, 'session', { ...session, v: 2 });
    assert.equal(await node.sessions.peek(session.id), undefined);
    assert.equal(await node.sessions.load(session.id, 'a', LONG_MS), undefined);
  });

  test('fields that are not known are left out', async () => {
    const session = makeSession();
    await put(session.id, 'session', { ...session, v: 1, later: true });
    await put(session.id, 'later:x', 1);
    const link = makeLink();
    await put(session.id, 'link:files', { ...link, later: true }, `"${link.sessionId}"\n`);
    await put(session.id, 'link:mail', { transport: 'later' }, 'null\n');
    const loaded = await node.sessions.load(session.id, 'a', LONG_MS);
    assert.deepEqual(loaded, { session, logLevel: undefined, links: [link], subscriptions: {} });
  });

  test('a call of a form that is not known is not run again, and is taken over all the same', async () => {
    const session = makeSession();
    await node.sessions.create(session, 'a', LONG_MS);
    const key = createKeys(redis.keyPrefix).calls(session.id);
    await redis.call('HSET', key, 'call:x', '{"v":2,"later":true}');
    const taken = await node.calls.takeOver(session.id, 'x', 'y', false, LONG_MS);
    assert.deepEqual(taken, { successor: 'y', call: undefined });
  });

  test('members that cannot be read are left out', async () => {
    const member = { id: 'a', address: 'x', version: '1', started: 'x', sessions: 0, streams: 0 } as const;
    await node.members.beat({ ...member, state: 'ready' }, LONG_MS);
    const put = (id: string, changes: object) => {
      const { members } = createKeys(redis.keyPrefix);
      return redis.call('HSET', members, id, JSON.stringify({ ...member, id, state: 'ready', ...changes }));
    };
    await put('later-1', { v: 2 });
    await put('later-2', { state: 'later' });
    await put('a', { v: 1, later: true });
    assert.deepEqual(await node.members.list(), [{ ...member, state: 'ready' }]);
    // As nodes before wrote it.
    await put('a', {});
    assert.deepEqual(await node.members.list(), [{ ...member, state: 'ready' }]);
  });

  test('a message that cannot be read is logged and harms none that follows', async () => {
    const heard: unknown[] = [];
    node.bus.on('test', (message) => heard.push(message['n']));
    const channel = createKeys(redis.keyPrefix).node('a');
    for (const text of ['', '{', 'null', '{"from":1}', '{"from":"b","message":{"later":1}}']) {
      await redis.call('PUBLISH', channel, text);
    }
    await redis.call(
      'PUBLISH',
      channel,
      JSON.stringify({ from: 'b', message: { kind: 'test', n: 1 }, later: 1 }),
    );
    await until(() => heard.length > 0, { what: 'the last message' });
    assert.equal(node.lines.filter(({ level }) => level === 'warn').length, 5);
  });
});
