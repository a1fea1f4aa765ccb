import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import type { CatalogKey, CatalogWrite } from '../../src/coordination/catalog-store.ts';
import { Code } from '../../src/protocol/errors.ts';
import { LONG_MS, uniqueId } from '../support/coordination.ts';
import { until } from '../support/wait.ts';
import type { MakeNode } from './coordination-contract.ts';

export function catalogContract(makeNode: MakeNode): void {
  describe('catalogs', () => {
    test('one node writes, and the others read what it wrote, byte for byte', async () => {
      const [a, b] = await two();
      const key = makeKey();
      assert.equal(await b.read(key, undefined), undefined);
      const bytes = randomBytes(300_000);
      const check = { checkedAt: 1_700_000_000_000 };
      const version = await a.write(key, makeWrite({ check, body: { digest: 'd1', bytes } }), LONG_MS);
      assert.ok(version !== undefined);
      const stored = await b.read(key, undefined);
      assert.deepEqual(stored, { token: 1, version, content: { check, digest: 'd1', bytes } });
    });

    test('whoever has the lists is not sent them again', async () => {
      const [a, b] = await two();
      const key = makeKey();
      await a.write(key, makeWrite(), LONG_MS);
      const content = (await b.read(key, 'd1'))?.content;
      assert.equal(content?.digest, 'd1');
      assert.equal(content.bytes, undefined);
      assert.ok((await b.read(key, 'd0'))?.content?.bytes);
    });

    test('catalogs of other servers, revisions and scopes are others', async () => {
      const [a] = await two();
      const key = makeKey();
      await a.write(key, makeWrite(), LONG_MS);
      for (const other of [
        { ...key, serverId: uniqueId('server') },
        { ...key, revision: key.revision + 1 },
        { ...key, scope: 'other' },
      ])
        assert.equal(await a.read(other, undefined), undefined);
    });

    test('a failure is stored with what is still known, or without', async () => {
      const [a, b] = await two();
      const key = makeKey();
      const check = {
        checkedAt: 5,
        failingSince: 3,
        error: { code: Code.DownstreamTimeout, message: 'Server "ä" did not answer' },
      };
      await a.write(key, makeWrite({ check }), LONG_MS);
      const kept = await b.read(key, 'd1');
      assert.deepEqual(kept?.content, { check, digest: 'd1' });
      const { body: _, ...bare } = makeWrite({ check });
      await a.write(key, bare, LONG_MS);
      assert.deepEqual((await b.read(key, 'd1'))?.content, { check });
    });

    test('versions rise with each write', async () => {
      const [a, b] = await two();
      const key = makeKey();
      const versions: number[] = [];
      for (const store of [a, b, a, b]) versions.push((await store.write(key, makeWrite(), LONG_MS)) ?? 0);
      assert.deepEqual(
        versions,
        [...new Set(versions)].sort((x, y) => x - y),
      );
      assert.equal((await a.read(key, undefined))?.version, versions.at(-1));
    });

    test('what an earlier watcher still writes is refused', async () => {
      const [a, b] = await two();
      const key = makeKey();
      const version = await a.write(key, makeWrite({ token: 7, check: { checkedAt: 2 } }), LONG_MS);
      assert.equal(await b.write(key, makeWrite({ token: 6, check: { checkedAt: 3 } }), LONG_MS), undefined);
      const stored = await a.read(key, undefined);
      assert.deepEqual([stored?.token, stored?.version, stored?.content?.check.checkedAt], [7, version, 2]);
      assert.equal((await a.lastCheck(key.serverId))?.check.checkedAt, 2);
      assert.ok((await b.write(key, makeWrite({ token: 8 }), LONG_MS)) !== undefined);
    });

    test('of private ones it is known that they are', async () => {
      const [a, b] = await two();
      const key = makeKey();
      const version = await a.write(key, makeWrite({ body: 'private' }), LONG_MS);
      assert.deepEqual(await b.read(key, undefined), { token: 1, version, content: undefined });
      // That the server answers is known of it all the same.
      assert.equal((await b.lastCheck(key.serverId))?.check.checkedAt, 1);
    });

    test('the last check of a server is the last, of whatever scope, but of no earlier revision', async () => {
      const [a, b] = await two();
      const key = makeKey();
      assert.equal(await a.lastCheck(key.serverId), undefined);
      await a.write(key, makeWrite({ check: { checkedAt: 1 } }), LONG_MS);
      const last = { check: { checkedAt: 2 }, capabilities: { roots: { listChanged: true } } };
      await b.write({ ...key, scope: 'other' }, makeWrite(last), LONG_MS);
      assert.deepEqual(await a.lastCheck(key.serverId), { revision: 3, ...last });
      await b.write({ ...key, revision: 2 }, makeWrite({ check: { checkedAt: 3 } }), LONG_MS);
      assert.deepEqual(await a.lastCheck(key.serverId), { revision: 3, ...last });
      await b.write({ ...key, revision: 4 }, makeWrite({ check: { checkedAt: 4 } }), LONG_MS);
      assert.equal((await a.lastCheck(key.serverId))?.revision, 4);
    });

    test('a check without lists is the last, too, and leaves the lists as they are', async () => {
      const [a, b] = await two();
      const key = makeKey();
      await a.write(key, makeWrite({ check: { checkedAt: 1 } }), LONG_MS);
      const error = { code: Code.DownstreamUnavailable, message: 'It is down' };
      const noted = {
        revision: 3,
        check: { checkedAt: 2, error, failingSince: 2 },
        capabilities: { roots: {} },
      };
      await b.noteCheck(key.serverId, noted, LONG_MS);
      assert.deepEqual(await a.lastCheck(key.serverId), noted);
      assert.deepEqual((await a.read(key, undefined))?.content?.check, { checkedAt: 1 });
      await b.noteCheck(key.serverId, { ...noted, revision: 2 }, LONG_MS);
      assert.deepEqual(await a.lastCheck(key.serverId), noted);
      const short = { ...noted, revision: 4 };
      await b.noteCheck(key.serverId, short, 300);
      assert.deepEqual(await a.lastCheck(key.serverId), short);
      await until(async () => (await b.lastCheck(key.serverId)) === undefined, { what: 'the end of it' });
    });

    test('what nobody writes or keeps goes', async () => {
      const [a, b] = await two();
      const [kept, left] = [makeKey(), makeKey()];
      for (const key of [kept, left]) await a.write(key, makeWrite(), 300);
      assert.equal(await b.keep(kept, LONG_MS), true);
      await until(async () => (await b.read(left, undefined)) === undefined, { what: 'the end of it' });
      await until(async () => (await b.lastCheck(left.serverId)) === undefined, { what: 'the end of it' });
      assert.equal(await b.keep(left, LONG_MS), false);
      assert.ok(await b.read(kept, undefined));
      assert.ok(await b.lastCheck(kept.serverId));
    });
  });

  async function two() {
    const [a, b] = [await makeNode(uniqueId('a')), await makeNode(uniqueId('b'))];
    return [a.catalogs, b.catalogs] as const;
  }
}

function makeKey(): CatalogKey {
  return { serverId: uniqueId('server'), revision: 3, scope: 'scope' };
}

function makeWrite(changes: Partial<CatalogWrite> = {}): CatalogWrite {
  return {
    token: 1,
    check: { checkedAt: 1 },
    capabilities: {},
    body: { digest: 'd1', bytes: Buffer.from([0, 255, 10, 13, 0]) },
    ...changes,
  };
}
