import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Member, Members } from '../../src/coordination/members.ts';
import { LONG_MS, uniqueId } from '../support/coordination.ts';
import { until } from '../support/wait.ts';
import type { MakeNode } from './coordination-contract.ts';

export function memberContract(makeNode: MakeNode): void {
  describe('members', () => {
    test('nodes are listed as they last described themselves', async () => {
      const [a, b] = [await makeNode(uniqueId('a')), await makeNode(uniqueId('b'))];
      await a.members.beat(member(a.nodeId, { state: 'joining' }), LONG_MS);
      await b.members.beat(member(b.nodeId, { state: 'draining', sessions: 7 }), LONG_MS);
      await a.members.beat(member(a.nodeId, { state: 'ready', streams: 3 }), LONG_MS);
      const listed = await of(b.members, a.nodeId, b.nodeId);
      assert.deepEqual(listed, [
        member(a.nodeId, { state: 'ready', streams: 3 }),
        member(b.nodeId, { state: 'draining', sessions: 7 }),
      ]);
      assert.equal(await a.members.isAlive(b.nodeId), true);
    });

    test('a node that was never there is not alive', async () => {
      const { members } = await makeNode(uniqueId('a'));
      const id = uniqueId('nobody');
      assert.equal(await members.isAlive(id), false);
      await members.leave(id);
      assert.deepEqual(await of(members, id), []);
    });

    test('a node that does not beat is gone, stays listed, and may come back', async () => {
      const { members } = await makeNode(uniqueId('a'));
      const [silent, beating] = [uniqueId('silent'), uniqueId('beating')];
      await members.beat(member(beating), LONG_MS);
      await members.beat(member(silent, { sessions: 4 }), 300);
      await until(async () => !(await members.isAlive(silent)), { what: 'the node to be gone' });
      assert.deepEqual(await of(members, silent), [member(silent, { sessions: 4, state: 'gone' })]);
      assert.equal(await members.isAlive(beating), true);
      await members.beat(member(silent), LONG_MS);
      assert.deepEqual(await of(members, silent), [member(silent)]);
    });

    test('a node that leaves is gone at once', async () => {
      const { members } = await makeNode(uniqueId('a'));
      const id = uniqueId('leaving');
      await members.beat(member(id), LONG_MS);
      await members.leave(id);
      assert.equal(await members.isAlive(id), false);
      assert.equal((await of(members, id))[0]?.state, 'gone');
    });
  });
}

function member(id: string, changes: Partial<Member> = {}): Member {
  return {
    id,
    address: '10.0.0.1:8081',
    version: '0.1.0',
    started: '2026-01-01T00:00:00.000Z',
    sessions: 0,
    streams: 0,
    state: 'ready',
    ...changes,
  };
}

/** Those of the list that a test knows, in its order: by id; without what the store says of their clocks. */
async function of(members: Members, ...ids: string[]): Promise<Member[]> {
  const found = (await members.list()).filter(({ id }) => ids.includes(id));
  return found.map(({ clockAheadMs: _, ...described }) => described);
}
