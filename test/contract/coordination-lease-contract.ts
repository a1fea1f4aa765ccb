import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { LONG_MS, uniqueId } from '../support/coordination.ts';
import { until } from '../support/wait.ts';
import type { MakeNode } from './coordination-contract.ts';

export function leaseContract(makeNode: MakeNode): void {
  describe('leases', () => {
    test('one node has a lease, and the others learn who', async () => {
      const { leases } = await makeNode(uniqueId('node'));
      const resource = uniqueId('resource');
      assert.equal(await leases.holder(resource), undefined);
      const lease = await leases.acquire(resource, 'a', LONG_MS);
      assert.equal(lease.owner, 'a');
      assert.deepEqual(await leases.acquire(resource, 'b', LONG_MS), lease);
      assert.deepEqual(await leases.holder(resource), lease);
    });

    test('of nodes that want it at once one gets it', async () => {
      const nodes = [await makeNode(uniqueId('node')), await makeNode(uniqueId('node'))];
      const resource = uniqueId('resource');
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) => nodes[i % 2]!.leases.acquire(resource, `n${i}`, LONG_MS)),
      );
      assert.equal(new Set(answers.map((lease) => JSON.stringify(lease))).size, 1);
    });

    test('acquiring what one has keeps the token and renews it', async () => {
      const { leases } = await makeNode(uniqueId('node'));
      const [renewed, left] = [uniqueId('resource'), uniqueId('resource')];
      const lease = await leases.acquire(renewed, 'a', 2000);
      assert.deepEqual(await leases.acquire(renewed, 'a', LONG_MS), lease);
      await leases.acquire(left, 'a', 2000);
      await until(async () => (await leases.holder(left)) === undefined, {
        what: 'the end of the other lease',
      });
      assert.deepEqual(await leases.holder(renewed), lease);
    });

    test('a lease that is not renewed ends, and the next token is higher', async () => {
      const { leases } = await makeNode(uniqueId('node'));
      const [resource, renewed] = [uniqueId('resource'), uniqueId('resource')];
      const kept = await leases.acquire(renewed, 'a', 1500);
      assert.equal(await leases.renew(renewed, kept, LONG_MS), true);
      const old = await leases.acquire(resource, 'a', 1500);
      const next = await until(
        async () => {
          const lease = await leases.acquire(resource, 'b', LONG_MS);
          return lease.owner === 'b' ? lease : undefined;
        },
        { what: 'the take-over' },
      );
      assert.ok(next.token > old.token);
      assert.deepEqual(await leases.holder(renewed), kept);
      assert.equal(await leases.renew(resource, old, LONG_MS), false);
      await leases.release(resource, old);
      assert.deepEqual(await leases.holder(resource), next);
    });

    test('a lease that was released can be taken at once, with a higher token', async () => {
      const { leases } = await makeNode(uniqueId('node'));
      const resource = uniqueId('resource');
      let last = 0;
      for (const owner of ['a', 'b', 'b', 'a']) {
        const lease = await leases.acquire(resource, owner, LONG_MS);
        assert.equal(lease.owner, owner);
        assert.ok(lease.token > last);
        last = lease.token;
        await leases.release(resource, lease);
        assert.equal(await leases.renew(resource, lease, LONG_MS), false);
        assert.equal(await leases.holder(resource), undefined);
      }
    });

    test('a lease of the same owner with an older token is not this one', async () => {
      const { leases } = await makeNode(uniqueId('node'));
      const resource = uniqueId('resource');
      const old = await leases.acquire(resource, 'a', LONG_MS);
      await leases.release(resource, old);
      const lease = await leases.acquire(resource, 'a', LONG_MS);
      assert.equal(await leases.renew(resource, old, LONG_MS), false);
      await leases.release(resource, old);
      assert.deepEqual(await leases.holder(resource), lease);
    });

    test('leases of different resources have nothing to do with each other', async () => {
      const { leases } = await makeNode(uniqueId('node'));
      const base = uniqueId('resource');
      for (const odd of ['', '}', '{', '{a}', '%7D', ':', '__proto__']) {
        assert.equal((await leases.acquire(base + odd, `owner of ${odd}`, LONG_MS)).owner, `owner of ${odd}`);
      }
    });
  });
}
