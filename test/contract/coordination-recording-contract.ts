import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MAX_RECORDED, MAX_RECORDINGS, type StoredRecording } from '../../src/coordination/recordings.ts';
import { uniqueId } from '../support/coordination.ts';
import type { MakeNode } from './coordination-contract.ts';

function recording(changes: Partial<StoredRecording> = {}): StoredRecording {
  const startedAt = Date.now();
  return {
    id: uniqueId('recording'),
    tenantId: 'acme',
    userId: 'ada',
    startedBy: 'boss',
    startedAt,
    endsAt: startedAt + 60_000,
    ...changes,
  };
}

export function recordingContract(makeNode: MakeNode): void {
  describe('recordings', () => {
    test('what one node stores another reads, in order and page by page', async () => {
      const [a, b] = [await makeNode(uniqueId('a')), await makeNode(uniqueId('b'))];
      const stored = recording();
      await a.recordings.put(stored);
      const known = async () => (await b.recordings.all()).find(({ id }) => id === stored.id);
      assert.deepEqual(await known(), stored);
      const stopped = { ...stored, endsAt: stored.startedAt + 1 };
      await a.recordings.put(stopped);
      assert.deepEqual(await known(), stopped);

      for (const [node, text] of [
        [a, 'one'],
        [b, 'two'],
        [a, 'three'],
      ] as const)
        await node.recordings.append(stored.id, text);
      const first = await b.recordings.read(stored.id, undefined, 2);
      assert.deepEqual(
        first.map(({ data }) => data),
        ['one', 'two'],
      );
      const rest = await a.recordings.read(stored.id, first[1]!.id, 2);
      assert.deepEqual(
        rest.map(({ data }) => data),
        ['three'],
      );
      assert.ok(rest[0]!.id > first[1]!.id && first[1]!.id > first[0]!.id);
      assert.deepEqual(await a.recordings.read(stored.id, rest[0]!.id, 2), []);
      assert.deepEqual(await a.recordings.read(uniqueId('recording'), undefined, 2), []);
    });

    test('what is too much, and what has ended long ago, is forgotten', async () => {
      const { recordings } = await makeNode(uniqueId('a'));
      const stored = recording();
      await recordings.put(stored);
      for (let start = 0; start <= MAX_RECORDED; start += 500) {
        const some = Array.from({ length: 500 }, (_, at) => recordings.append(stored.id, String(start + at)));
        await Promise.all(some);
      }
      const kept = await recordings.read(stored.id, undefined, MAX_RECORDED + 1);
      assert.equal(kept.length, MAX_RECORDED);
      assert.equal(kept.at(-1)?.data, String(MAX_RECORDED + 499));

      const old = recording({ endsAt: Date.now() - 25 * 3_600_000 });
      await recordings.put(old);
      assert.ok((await recordings.all()).every(({ id }) => id !== old.id));
      for (let at = 0; at < MAX_RECORDINGS; at++)
        await recordings.put(recording({ endsAt: stored.endsAt + at + 1 }));
      const all = await recordings.all();
      assert.ok(all.length <= MAX_RECORDINGS);
      assert.ok(all.every(({ id }) => id !== stored.id));
    });
  });
}
