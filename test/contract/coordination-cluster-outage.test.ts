import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { createKeys } from '../../src/coordination/keys.ts';
import {
  isUnavailable,
  LONG_MS,
  makeSession,
  type RedisNode,
  startRedisNode,
  uniqueId,
} from '../support/coordination.ts';
import { startRedisCluster, type TestRedisCluster } from '../support/redis.ts';
import type { RedisProcess } from '../support/redis-process.ts';
import { append } from '../support/streams.ts';
import { until } from '../support/wait.ts';

describe('when a part of a Redis Cluster is away', () => {
  let cluster: TestRedisCluster;
  let nodes: RedisNode[] = [];
  before(async () => {
    cluster = await startRedisCluster();
  });
  afterEach(async () => {
    await Promise.all(cluster.masters.map((master) => master.resume()));
    await Promise.all(nodes.splice(0).map((node) => node.close()));
  });
  after(() => cluster.stop());

  /** A node whose own channel is on a given master. */
  async function nodeOn(master: RedisProcess): Promise<RedisNode> {
    const nodeId = await idOn(master, 'node', (id) => createKeys(cluster.keyPrefix).node(id));
    const node = await startRedisNode(cluster, nodeId, { commandTimeoutMs: 400 });
    nodes = [...nodes, node];
    return node;
  }

  async function idOn(master: RedisProcess, what: string, key: (id: string) => string): Promise<string> {
    for (;;) {
      const id = uniqueId(what);
      if ((await cluster.ownerOf(await cluster.slotOf(key(id)))) === master) return id;
    }
  }

  test('the others keep working, and all do when it is back', async () => {
    const [lost, other] = [cluster.masters[0]!, cluster.masters[1]!];
    const [a, b] = [await nodeOn(other), await nodeOn(lost)];
    const { session: key } = createKeys(cluster.keyPrefix);
    const there = makeSession({ id: await idOn(lost, 'session', key) });
    const here = makeSession({ id: await idOn(other, 'session', key) });
    await a.sessions.create(there, a.nodeId, LONG_MS);
    await a.sessions.create(here, a.nodeId, LONG_MS);
    await lost.kill();
    await assert.rejects(a.sessions.peek(there.id), isUnavailable);
    await assert.rejects(a.bus.send(b.nodeId, { kind: 'test' }), isUnavailable);
    assert.deepEqual((await b.sessions.peek(here.id))?.session, here);
    assert.equal(await b.bus.send(a.nodeId, { kind: 'test' }), true);
    await lost.start();
    await until(() => a.sessions.create(there, a.nodeId, LONG_MS).then(() => true), { what: 'the master' });
    await until(() => a.bus.send(b.nodeId, { kind: 'test' }), { what: 'the channel of the other node' });
    await until(() => b.gaps() > 0, { what: 'the gap to be told' });
    await Promise.all([a, b].map((node) => until(() => node.ping().then(() => true), { what: 'all of it' })));
    const levels = a.lines.map(({ message }) => message);
    assert.equal(levels[0], 'Redis is away');
    await until(() => a.lines.at(-1)?.message === 'Redis is back', { what: 'the log' });
  });

  test('a master that is paused makes commands reject while it is', async () => {
    const [paused, other] = [cluster.masters[1]!, cluster.masters[2]!];
    const a = await nodeOn(other);
    const session = makeSession({ id: await idOn(paused, 'session', createKeys(cluster.keyPrefix).session) });
    await a.sessions.create(session, a.nodeId, LONG_MS);
    await paused.pause();
    await assert.rejects(a.sessions.peek(session.id), isUnavailable);
    await assert.rejects(append(a.streams, session.id, 'x'), isUnavailable);
    await paused.resume();
    await until(() => a.sessions.peek(session.id), { what: 'the master' });
  });

  test('connections that are cut come back', async () => {
    const [a, b] = [await nodeOn(cluster.masters[0]!), await nodeOn(cluster.masters[2]!)];
    const heard: unknown[] = [];
    b.bus.on('test', () => heard.push(1));
    for (const master of cluster.masters) await master.killConnections();
    await until(() => a.gaps() > 0 && b.gaps() > 0, { what: 'the gaps to be told' });
    await until(() => a.bus.send(b.nodeId, { kind: 'test' }), { what: 'the channel' });
    await until(() => heard.length > 0, { what: 'the message' });
    await Promise.all([a, b].map((node) => until(() => node.ping().then(() => true), { what: 'all of it' })));
  });

  test('a channel whose slot moves to another master is followed there', async () => {
    const [from, to] = [cluster.masters[0]!, cluster.masters[1]!];
    const [a, b] = [await nodeOn(to), await nodeOn(from)];
    const heard: unknown[] = [];
    b.bus.on('test', (message) => heard.push(message['n']));
    const slot = await cluster.slotOf(createKeys(cluster.keyPrefix).node(b.nodeId));
    assert.equal(await a.bus.send(b.nodeId, { kind: 'test', n: 1 }), true);
    await cluster.moveSlot(slot, to);
    await until(() => b.gaps() > 0, { what: 'the gap to be told' });
    assert.equal(await cluster.ownerOf(slot), to);
    await until(() => a.bus.send(b.nodeId, { kind: 'test', n: 2 }), { what: 'the channel' });
    await until(() => heard.includes(2), { what: 'the message' });
    assert.deepEqual(heard, [1, 2]);
  });
});
