import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { turns } from '../../test/support/fakes.ts';
import type { Leases } from '../coordination/leases.ts';
import { createMemoryCoordination, MemoryHub } from '../coordination/memory/index.ts';
import { unavailable } from '../coordination/unavailable.ts';
import { ProcessLeases } from './process-leases.ts';

/** Two nodes of one hub, in a time that the test lets pass; the first one's store can be away. */
function setUp(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval', 'Date'], now: 1_000_000 });
  const hub = new MemoryHub();
  const coordination = createMemoryCoordination({ nodeId: 'a', hub });
  const other = createMemoryCoordination({ nodeId: 'b', hub }).leases;
  let isAway = false;
  const guard =
    <A extends unknown[], R>(method: (...args: A) => Promise<R>) =>
    (...args: A) =>
      isAway ? Promise.reject(unavailable()) : method(...args);
  const { leases } = coordination;
  const guarded: Leases = {
    acquire: guard((...args) => leases.acquire(...args)),
    renew: guard((...args) => leases.renew(...args)),
    release: guard((...args) => leases.release(...args)),
    holder: guard((...args) => leases.holder(...args)),
  };
  const own = new ProcessLeases(guarded, coordination.bus);
  t.after(() => own.close());
  return {
    own,
    other,
    away: (is: boolean) => {
      isAway = is;
    },
    pass: async (ms: number) => {
      for (let passed = 0; passed < ms; passed += 100) {
        t.mock.timers.tick(100);
        await turns();
      }
    },
  };
}

test('a lease is kept for as long as it is wanted', async (t) => {
  const { own, other, pass } = setUp(t);
  own.keep('r', await own.acquire('r'), assert.fail);
  await pass(20_000);
  assert.equal((await other.acquire('r', 'b', 1000)).owner, 'a');
  await own.release('r');
  assert.equal((await other.acquire('r', 'b', 1000)).owner, 'b');
  assert.equal((await own.acquire('r')).owner, 'b');
});

test('it is not lost while the store is away, nor when nobody has taken it meanwhile', async (t) => {
  const { own, other, away, pass } = setUp(t);
  own.keep('r', await own.acquire('r'), assert.fail);
  away(true);
  await pass(20_000);
  away(false);
  await pass(1000);
  assert.equal((await other.acquire('r', 'b', 1000)).owner, 'a');
  await own.release('r');
  assert.equal(await other.holder('r'), undefined, 'it is the new lease that is given back');
});

test('it is lost, and told once, where another node has it', async (t) => {
  const { own, other, away, pass } = setUp(t);
  let lost = 0;
  own.keep('r', await own.acquire('r'), () => {
    lost++;
    own.forget('r');
  });
  away(true);
  await pass(3000);
  const taken = await other.acquire('r', 'b', 100_000);
  assert.equal(taken.owner, 'b');
  assert.equal(lost, 0);
  away(false);
  await pass(5000);
  assert.equal(lost, 1);
  await own.release('r');
  assert.deepEqual(await other.holder('r'), taken);
});
