import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../test/support/wait.ts';
import type { Member } from '../coordination/members.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { NodeWatch } from './node-watch.ts';

function start() {
  const states = new Map<string, Member['state']>([
    ['a', 'ready'],
    ['b', 'ready'],
    ['c', 'ready'],
    ['d', 'ready'],
  ]);
  const state = { isAway: false };
  const looks = new Map<string, number>();
  const membersFor = (watcher: string) => ({
    async list() {
      looks.set(watcher, (looks.get(watcher) ?? 0) + 1);
      if (state.isAway) throw new GatewayError(Code.Unavailable, 'away');
      return [...states].map(([id, state]): Member => {
        return { id, state, address: '', version: '', started: '', sessions: 0, streams: 0 };
      });
    },
  });
  const owners = new Map<string, string>();
  const leases = {
    async acquire(resource: string, nodeId: string) {
      if (state.isAway) throw new GatewayError(Code.Unavailable, 'away');
      if (!owners.has(resource)) owners.set(resource, nodeId);
      return { owner: owners.get(resource)!, token: 1 };
    },
  };
  const told: string[] = [];
  const watches = ['b', 'c', 'd'].map(
    (nodeId) =>
      new NodeWatch({
        nodeId,
        members: membersFor(nodeId),
        leases,
        everyMs: 2,
        onGone: (id) => told.push(id),
      }),
  );
  const looked = async () => {
    const before = new Map(looks);
    // The second look from now on begins after whatever was changed.
    const hasLooked = (watcher: string) => (looks.get(watcher) ?? 0) >= (before.get(watcher) ?? 0) + 3;
    await until(() => ['b', 'c', 'd'].every(hasLooked), { what: 'all to have looked' });
  };
  const close = () => {
    for (const watch of watches) watch.close();
  };
  return { states, state, owners, told, looked, close };
}

test('a node that went without a word is told of once, by one of those that are left', async () => {
  const { states, told, looked, close } = start();
  await looked();
  states.set('a', 'gone');
  await looked();
  assert.deepEqual(told, ['a']);
  states.set('c', 'gone');
  // Who comes now has not seen it alive, and the others have.
  states.set('a2', 'ready');
  await looked();
  assert.deepEqual(told, ['a', 'c']);
  close();
});

test('one that has said that it stops is not told of, nor anybody while the store is away', async () => {
  const { states, state, told, looked, close } = start();
  states.set('a', 'draining');
  await looked();
  states.set('a', 'gone');
  await looked();
  state.isAway = true;
  await looked();
  state.isAway = false;
  await looked();
  assert.deepEqual(told, []);
  close();
});

test('one is told of though the store went away when that was noticed, and not where somebody has told of it', async () => {
  const { states, state, owners, told, looked, close } = start();
  await looked();
  owners.set('gone:c', 'elsewhere');
  states.set('c', 'gone');
  await looked();
  state.isAway = true;
  states.set('a', 'gone');
  await looked();
  assert.deepEqual(told, []);
  state.isAway = false;
  await looked();
  assert.deepEqual(told, ['a']);
  close();
});
