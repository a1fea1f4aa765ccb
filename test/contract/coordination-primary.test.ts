import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { isUnavailable, LONG_MS, makeSession, uniqueId } from '../support/coordination.ts';
import { PrimaryNodes } from '../support/primary-nodes.ts';
import { until } from '../support/wait.ts';
import { coordinationContract } from './coordination-contract.ts';

describe('coordination in the primary', () => {
  const nodes = new PrimaryNodes();
  after(() => nodes.close());
  coordinationContract(nodes.make);

  test('a node whose process has ended is gone for the others at once, and hears nothing', async () => {
    const [a, b] = [await nodes.make(uniqueId('a')), await nodes.start(uniqueId('b'))];
    const { nodeId } = b.coordination;
    await b.coordination.members.beat(member(nodeId), LONG_MS);
    assert.equal(await a.members.isAlive(nodeId), true);
    assert.equal(await a.bus.send(nodeId, { kind: 'test' }), true);
    await b.channel.call('left');
    assert.equal(await a.members.isAlive(nodeId), false);
    assert.equal(await a.bus.send(nodeId, { kind: 'test' }), false);
    const listed = (await a.members.list()).find(({ id }) => id === nodeId);
    assert.equal(listed?.state, 'gone');
  });
});

test('nothing waits for a primary that has gone', async (t) => {
  const nodes = new PrimaryNodes();
  t.after(() => nodes.close());
  const { coordination, channel } = await nodes.start('a');
  await coordination.ping();
  await coordination.sessions.create(makeSession({ id: 's' }), 'a', LONG_MS);
  // Calls that are under way when it dies.
  const calls = Array.from({ length: 100 }, () => coordination.sessions.peek('s'));
  const settled = Promise.allSettled(calls);
  await nodes.kill();
  await settled;
  await until(async () => (await refused(coordination.ping())) !== undefined, { what: 'the end' });
  for (const call of [
    coordination.ping(),
    coordination.sessions.peek('s'),
    coordination.bus.broadcast({ kind: 'x' }),
  ])
    await assert.rejects(call, isUnavailable);
  channel.tell('anything');
  await coordination.close();
});

function member(id: string) {
  const started = new Date(0).toISOString();
  return {
    id,
    address: 'localhost:1',
    version: '1',
    started,
    sessions: 0,
    streams: 0,
    state: 'ready',
  } as const;
}

async function refused(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => undefined,
    (error: unknown) => error,
  );
}
