import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import { after, before, describe, it, type TestContext } from 'node:test';
import { Redis } from 'ioredis';
import { createKeys } from '../../src/coordination/keys.ts';
import { type RedisNode, startRedisNode } from '../support/coordination.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import { until } from '../support/wait.ts';

const newKey = () => createSecretKey(randomBytes(32));
const ours = newKey();

describe('what nodes say to each other over Redis', () => {
  let redis: TestRedis;
  before(async () => {
    redis = await startRedis();
  });
  after(() => redis.stop());

  async function node(t: TestContext, id: string, ...signingKeys: ReturnType<typeof newKey>[]) {
    const started = await startRedisNode(redis, id, { signingKeys });
    t.after(() => started.close());
    const heard: string[] = [];
    started.bus.on('word', ({ text }, from) => heard.push(`${from}: ${text}`));
    return { ...started, heard };
  }

  const say = (from: RedisNode, to: string, text: string) => from.bus.send(to, { kind: 'word', text });
  const refusals = ({ lines }: RedisNode) =>
    lines.filter(({ message }) => message === 'A message on the bus could not be read').length;

  it('is believed when it is signed with a key of the cluster, the old one included', async (t) => {
    const old = newKey();
    const [a, b] = [await node(t, 'sa', ours, old), await node(t, 'sb', ours)];
    const late = await node(t, 'sold', old);
    await say(a, 'sb', 'one');
    await say(late, 'sa', 'two');
    await until(() => b.heard.length === 1 && a.heard.length === 1, { what: 'both to hear' });
    assert.deepEqual([a.heard, b.heard], [['sold: two'], ['sa: one']]);
  });

  it('is not believed of anybody else who gets at the Redis', async (t) => {
    const victim = await node(t, 'victim', ours);
    const member = await node(t, 'member', ours);
    const forgers = [await node(t, 'forger1', newKey()), await node(t, 'forger2')];
    for (const forger of forgers) {
      assert.equal(await say(forger, 'victim', 'forged'), true);
      await forger.bus.broadcast({ kind: 'word', text: 'forged' });
    }
    await until(() => refusals(victim) === 4, { what: 'four refusals' });
    await say(member, 'victim', 'true');
    await until(() => victim.heard.length > 0, { what: 'the member to be heard' });
    assert.deepEqual(victim.heard, ['member: true']);
  });

  it('counts for the event log where a member has signed it, and is thrown away where none has', async (t) => {
    const member = await node(t, 'event-member', ours);
    const forger = await node(t, 'event-forger', newKey());
    const client = new Redis(redis.url);
    t.after(() => client.disconnect());
    await forger.events!.append('forged');
    await client.xadd(createKeys(redis.keyPrefix).eventLog, '*', 'events', 'unsigned');
    await member.events!.append('true');
    const entries = await member.events!.read('reader', 10, 60_000);
    assert.deepEqual(
      entries.map(({ data }) => data),
      ['true'],
    );
    assert.equal(await member.events!.size(), 1, 'what is forged is not read again');
    const told = member.lines.find(({ message }) => /no member of the cluster has signed/.test(message));
    assert.deepEqual(told?.fields, { count: 2, total: 2 });
  });

  it('is not believed on another channel than its own, or altered', async (t) => {
    const [a, b, c] = [await node(t, 'ca', ours), await node(t, 'cb', ours), await node(t, 'cc', ours)];
    const keys = createKeys(redis.keyPrefix);
    const client = new Redis(redis.url);
    const spy = new Redis(redis.url);
    t.after(() => {
      for (const each of [client, spy]) each.disconnect();
    });
    await spy.subscribe(keys.node('cb'));
    const seen: string[] = [];
    spy.on('message', (_channel, text) => seen.push(text));
    await say(a, 'cb', 'for b');
    await until(() => seen.length === 1 && b.heard.length === 1, { what: 'the message to be seen' });
    await client.publish(keys.node('cc'), seen[0]!);
    await client.publish(keys.everyone, seen[0]!);
    await client.publish(keys.node('cc'), seen[0]!.replace('for b', 'for c'));
    await until(() => refusals(c) === 3, { what: 'three refusals' });
    assert.deepEqual(c.heard, []);
  });

  it('is not signed without a key, and then what is signed is not believed', async (t) => {
    const [a, b] = [await node(t, 'na'), await node(t, 'nb')];
    await say(await node(t, 'nc', ours), 'nb', 'signed');
    await say(a, 'nb', 'plain');
    await until(() => b.heard.length === 1, { what: 'the plain one' });
    assert.deepEqual(b.heard, ['na: plain']);
  });
});
