import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { GONE_AFTER_MS, HEARTBEAT_MS, Heartbeat } from '../../src/coordination/heartbeat.ts';
import type { Member } from '../../src/coordination/members.ts';
import { type RedisNode, startRedisNode, uniqueId } from '../support/coordination.ts';
import { type OwnRedis, startOwnRedis } from '../support/redis.ts';
import { until } from '../support/wait.ts';

/** Two nodes that beat as gateways do, and what each is listed as over time. */
describe('members that have trouble', () => {
  let redis: OwnRedis;
  const ends: (() => Promise<unknown>)[] = [];
  before(async () => {
    redis = await startOwnRedis();
  });
  afterEach(async () => {
    await redis.resume();
    for (const end of ends.splice(0).reverse()) await end();
  });
  after(() => redis.stop());

  /** As gateways have it: commands are not waited for for long. */
  async function beating(): Promise<RedisNode & { readonly heart: Heartbeat }> {
    const node = await startRedisNode(redis, uniqueId('node'), { commandTimeoutMs: 500 });
    const heart = new Heartbeat(node.members, () => describeNode(node.nodeId));
    ends.push(
      () => node.close(),
      () => heart.stop(),
    );
    await heart.beat();
    return { ...node, heart };
  }

  /** States in which one node is seen by another, from now on. */
  function watch(by: RedisNode, nodeId: string): ReadonlySet<string> {
    const states = new Set<string>();
    const look = setInterval(async () => {
      const [listed, isAlive] = await Promise.all([by.members.list(), by.members.isAlive(nodeId)]).catch(
        () => [undefined, undefined],
      );
      if (listed === undefined) return;
      states.add(String(listed.find(({ id }) => id === nodeId)?.state));
      states.add(isAlive ? 'ready' : 'not alive');
    }, 20);
    ends.push(async () => clearInterval(look));
    return states;
  }

  test('a node whose loop is busy for a second at a time is not gone', async () => {
    const busy = await beating();
    const other = await startRedisNode(redis, uniqueId('other'));
    ends.push(() => other.close());
    for (let turn = 0; turn < 5; turn++) {
      // Another time of the beat in each turn.
      await delay(turn * 150);
      const until = performance.now() + 1000;
      while (performance.now() < until);
      // Asked before the beat that is due can be sent: as it was all the while.
      assert.equal(await other.members.isAlive(busy.nodeId), true, `turn ${turn}`);
    }
  });

  test('a slow Redis does not make nodes come and go', async () => {
    const [a, b] = [await beating(), await beating()];
    const states = [watch(a, b.nodeId), watch(b, a.nodeId)];
    for (let turn = 0; turn < 8; turn++) {
      await redis.pause();
      await delay(400);
      await redis.resume();
      await delay(100);
    }
    for (const seen of states) {
      await until(() => seen.size > 0, { what: 'a look at the members' });
      assert.deepEqual([...seen], ['ready']);
    }
  });

  test('one that hangs for longer than nodes may be silent takes none away, and those that die then are found', async () => {
    const [a, b, c] = [await beating(), await beating(), await beating()];
    // Gone before: it stays so.
    await c.heart.stop();
    const [others, gone] = [watch(a, b.nodeId), watch(a, c.nodeId)];
    await until(() => others.size > 0 && gone.size > 0, { what: 'a look at the members' });
    await redis.pause();
    await delay(GONE_AFTER_MS + HEARTBEAT_MS);
    await redis.resume();
    await until(() => a.members.list().then(() => true), { what: 'Redis to be back' });
    const back = performance.now();
    await until(() => performance.now() > back + 2 * GONE_AFTER_MS, { what: 'all to have been heard' });
    assert.deepEqual([...others], ['ready']);
    assert.deepEqual([...gone], ['gone', 'not alive']);
    // Without a good-bye, as a node that dies.
    await b.close();
    await until(() => others.has('gone') && others.has('not alive'), { what: 'the node to be gone' });
  });
});

const describeNode = (id: string): Member => ({
  id,
  address: '10.0.0.1:8081',
  version: '0.1.0',
  started: '2026-01-01T00:00:00.000Z',
  sessions: 0,
  streams: 0,
  state: 'ready',
});
