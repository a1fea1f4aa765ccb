import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { recordingLogger, turns, turnsUntil } from '../../test/support/fakes.ts';
import { type Principal, rolesOf } from '../auth/principal.ts';
import type { Allowances } from '../coordination/allowances.ts';
import { createMemoryCoordination, MemoryHub } from '../coordination/memory/index.ts';
import { unavailable } from '../coordination/unavailable.ts';
import { Limited } from './limited.ts';
import { Limits, type Taken } from './limits.ts';
import { type LimitSettings, readLimits } from './rules.ts';

function principal(userId = 'ada', tenantId = 'acme', roles: readonly string[] = []): Principal {
  return { tenantId, userId, roles: rolesOf(roles) };
}

function settingsOf(...rules: readonly object[]): LimitSettings {
  const read = readLimits(JSON.stringify({ rules }));
  assert.ok(!('problem' in read), JSON.stringify(read));
  return read;
}

/** Nodes on one clock, which goes on when the test says so: that of the store, and theirs. */
function cluster(t: TestContext, rules: readonly object[]) {
  t.mock.timers.enable({ apis: ['Date', 'setInterval'], now: 1_000_000 });
  const hub = new MemoryHub();
  const asked: string[] = [];
  const state = { isAway: false, gone: '' };
  const logger = recordingLogger();
  const make = (nodeId: string, hasPeers = true, maxBuckets?: number) => {
    const { allowances, bus } = createMemoryCoordination({ nodeId, hub });
    const counted: Allowances = {
      take: async (id, rate, want, back) => {
        asked.push(`take ${want} ${back}`);
        if (state.isAway || state.gone === nodeId) throw unavailable();
        return allowances.take(id, rate, want, back);
      },
      hold: async (id, atOnce, node, count, ttlMs) => {
        asked.push(`hold ${count}`);
        if (state.isAway || state.gone === nodeId) throw unavailable();
        return allowances.hold(id, atOnce, node, count, ttlMs);
      },
    };
    const limits = new Limits({
      settings: settingsOf(...rules),
      nodeId,
      allowances: counted,
      bus,
      hasPeers,
      logger,
      now: () => Date.now(),
      ...(maxBuckets === undefined ? {} : { maxBuckets }),
    });
    t.after(() => limits.close());
    return limits;
  };
  return { make, asked, state, logger, pass: (ms: number) => t.mock.timers.tick(ms) };
}

const alone = (t: TestContext, ...rules: readonly object[]) => {
  const { make, pass, asked } = cluster(t, rules);
  return { limits: make('n1', false), pass, asked };
};

/** Of a node that is alone, or has what it takes: at once. */
function now(entered: ReturnType<Limits['enter']>): Taken | Limited {
  assert.ok(!(entered instanceof Promise), 'somebody was asked');
  return entered;
}

const isIn = (entered: Taken | Limited) => !(entered instanceof Limited);

/** How many of so many calls are let in. */
async function countIn(limits: Limits, count: number, who = principal()): Promise<number> {
  const all = await Promise.all(Array.from({ length: count }, () => limits.enter(who, 's', 't')));
  return all.filter(isIn).length;
}

test('calls are let in as tokens are refilled, and who is refused is told which limit, and until when', (t) => {
  const { limits, pass, asked } = alone(
    t,
    { name: 'slow', calls: 2, seconds: 60 },
    { calls: 100, seconds: 1 },
  );
  const call = () => now(limits.enter(principal(), 's', 't'));
  assert.deepEqual([isIn(call()), isIn(call())], [true, true]);
  const refused = call();
  assert.ok(refused instanceof Limited);
  assert.equal(refused.retryAfter, 30);
  assert.equal(refused.message, 'This is more than the limit "slow" allows; try again in 30 seconds');
  assert.deepEqual(refused.data, { reason: 'too_many_requests', limit: 'slow', retryAfter: 30 });
  pass(29_999);
  assert.equal((call() as Limited).retryAfter, 1);
  pass(1);
  assert.deepEqual([isIn(call()), isIn(call())], [true, false]);
  assert.deepEqual(asked, []);
});

test('so many are under way at once, and one that is over makes room for one', (t) => {
  const { limits } = alone(t, { atOnce: 2 });
  const call = () => now(limits.enter(principal(), 's', 't'));
  const [first] = [call(), call()] as [Taken, Taken];
  const refused = call();
  assert.ok(refused instanceof Limited);
  assert.equal(refused.retryAfter, 1);
  assert.match(refused.message, /"rule 1"/);
  first.leave();
  assert.deepEqual([isIn(call()), isIn(call())], [true, false]);
});

test('a call that one rule refuses takes nothing of the others', (t) => {
  const { limits } = alone(t, { calls: 3, seconds: 1000 }, { tools: ['t'], calls: 1, seconds: 1000 });
  const call = (tool: string) => isIn(now(limits.enter(principal(), 's', tool)));
  assert.deepEqual([call('t'), call('t'), call('t'), call('t')], [true, false, false, false]);
  assert.deepEqual([call('u'), call('u'), call('u')], [true, true, false]);
});

test('one that never went is as if it had not been let in', (t) => {
  const { limits } = alone(t, { calls: 1, seconds: 1000, atOnce: 1 });
  const call = () => now(limits.enter(principal(), 's', 't'));
  (call() as Taken).undo();
  const second = call() as Taken;
  assert.ok(isIn(second));
  second.leave();
  assert.ok(!isIn(call()));
});

test('each scope is counted for itself, and no wider', (t) => {
  const [ada, bob, eve] = [principal(), principal('bob'), principal('ada', 'evil')];
  const asked = [
    [ada, 's', 't'],
    [{ ...ada }, 's', 't'],
    [ada, 's', 'u'],
    [ada, 'r', 't'],
    [bob, 's', 't'],
    [eve, 's', 't'],
    [ada, 's', undefined],
  ] as const;
  for (const [per, expected] of [
    ['user', [true, false, false, false, true, true, false]],
    ['tenant', [true, false, false, false, false, true, false]],
    ['server', [true, false, false, true, false, true, false]],
    ['tool', [true, false, true, true, true, true, true]],
    ['everybody', [true, false, false, false, false, false, false]],
  ] as const) {
    t.mock.timers.reset();
    const { limits } = alone(t, { per, calls: 1, seconds: 1000 });
    assert.deepEqual(
      asked.map(([who, server, tool]) => isIn(now(limits.enter(who, server, tool)))),
      expected,
      per,
    );
  }
});

test('names cannot be put together so that one is counted as another', (t) => {
  const { limits } = alone(t, { calls: 1, seconds: 1000 });
  for (const [tenant, user] of [
    ['a', 'b","c'],
    ['a","b', 'c'],
    ['a', 'b'],
    ['ab', ''],
    ['', 'ab'],
  ] as const)
    assert.ok(isIn(now(limits.enter(principal(user, tenant), 's', 't'))), `${tenant} ${user}`);
});

test('a rule is of those that it names', (t) => {
  const { limits } = alone(
    t,
    { roles: ['bot'], atOnce: 1 },
    { exceptRoles: ['admin'], servers: ['pay*'], atOnce: 1 },
    { tools: ['wipe_*'], atOnce: 1 },
    { tenants: ['slow'], atOnce: 1 },
    { users: ['eve'], atOnce: 1 },
  );
  const twice = (who: Principal, server: string, tool?: string) =>
    [1, 2].map(() => isIn(now(limits.enter(who, server, tool))));
  const [limited, free] = [
    [true, false],
    [true, true],
  ];
  assert.deepEqual(twice(principal('a', 'x', ['bot']), 's', 't'), limited);
  assert.deepEqual(twice(principal('b'), 'payments', 't'), limited);
  assert.deepEqual(twice(principal('c', 'x', ['admin']), 'payments', 't'), free);
  assert.deepEqual(twice(principal('d'), 's', 'wipe_all'), limited);
  assert.deepEqual(twice(principal('d'), 's'), free);
  assert.deepEqual(twice(principal('e', 'slow'), 's'), limited);
  assert.deepEqual(twice(principal('eve'), 's'), limited);
  assert.deepEqual(twice(principal('f'), 's', 't'), free);
});

test('what may go to any of several servers counts once for a rule, and for the rules of each', (t) => {
  const { limits } = alone(t, { calls: 2, seconds: 1000 }, { servers: ['b'], calls: 1, seconds: 1000 });
  const any = (...servers: string[]) => isIn(now(limits.enterAny(principal(), servers)));
  assert.deepEqual([any('a', 'b'), any('a', 'b'), any('a', 'c'), any('a', 'c')], [true, false, true, false]);
});

test('buckets that are as new are forgotten, and those that are not stay; there is a bound to both', (t) => {
  const { make, pass } = cluster(t, [{ calls: 1, seconds: 60, atOnce: 1 }]);
  const limits = make('n1', false, 10);
  const enter = (user: string) => now(limits.enter(principal(user), 's', 't'));
  const held = enter('held') as Taken;
  for (let user = 0; user < 50; user++) (enter(`u${user}`) as Taken).leave();
  assert.ok(limits.buckets <= 10);
  // Its call is under way: it must not be counted anew.
  assert.ok(!isIn(enter('held')));
  pass(30_000);
  assert.ok(limits.buckets > 1);
  pass(60_000);
  assert.equal(limits.buckets, 1);
  held.leave();
  pass(10_000);
  assert.equal(limits.buckets, 0);
  // One principal has kept its way to a bucket that is gone.
  const ada = principal('ada');
  assert.deepEqual(
    [1, 2].map(() => isIn(now(limits.enter(ada, 's', 't')))),
    [true, false],
  );
});

test('nodes let in together what one would', async (t) => {
  const { make, pass } = cluster(t, [{ calls: 100, seconds: 10 }]);
  const nodes = [make('a'), make('b'), make('c')];
  const count = async () => {
    const each = await Promise.all(nodes.map((node) => countIn(node, 60)));
    return each.reduce((sum, one) => sum + one, 0);
  };
  assert.equal(await count(), 100);
  assert.equal(await count(), 0);
  let sum = 100;
  for (let step = 1; step <= 40; step++) {
    pass(250);
    sum += await count();
    assert.ok(sum <= 100 + (step * 250) / 100, `${sum} after ${step}`);
  }
  // Nothing was lost on the way, but for what the nodes have in hand.
  assert.ok(sum >= 200 - 3 * 6, `${sum}`);
});

test('a busy node asks rarely, and what it does not use others get', async (t) => {
  const { make, pass, asked } = cluster(t, [{ calls: 1600, seconds: 100 }]);
  const [a, b] = [make('a'), make('b')];
  let count = 0;
  for (let step = 0; step < 40; step++) {
    for (let n = 0; n < 10; n++) if (isIn(await a.enter(principal(), 's', 't'))) count++;
    pass(100);
  }
  assert.equal(count, 400);
  assert.ok(asked.length < 80, `${asked.length} trips for 400 calls`);
  // Tokens in hand are used at once, without anybody being asked.
  await a.enter(principal(), 's', 't');
  now(a.enter(principal(), 's', 't'));
  pass(2000);
  await turnsUntil(() => asked.some((what) => /^take 0 [1-9]/.test(what)), 'tokens to come back');
  // 402 were used and 6 s times 16 were refilled.
  assert.equal(await countIn(b, 2000), 1600 - 402 + 96);
});

test('a flood of calls over the limit asks nobody', async (t) => {
  const { make, asked } = cluster(t, [{ calls: 1, seconds: 1000, atOnce: 5 }]);
  const limits = make('a');
  assert.equal(await countIn(limits, 1), 1);
  assert.equal(await countIn(limits, 1), 0);
  const before = asked.length;
  for (let n = 0; n < 1000; n++) {
    const refused = now(limits.enter(principal(), 's', 't'));
    assert.equal((refused as Limited).retryAfter, 1000);
  }
  assert.equal(asked.length, before);
});

test('slots are shared: another node gets at once what the one that had them can spare', async (t) => {
  const { make, pass, asked } = cluster(t, [{ atOnce: 3 }]);
  const [a, b] = [make('a'), make('b')];
  const call = async (node: Limits) => (await node.enter(principal(), 's', 't')) as Taken;
  const three = [await call(a), await call(a), await call(a)];
  assert.ok(three.every(isIn));
  assert.ok(!isIn(await call(b)));
  for (const one of three) one.leave();
  pass(200);
  const others = [await call(b), await call(b), await call(b)];
  assert.ok(others.every(isIn));
  assert.ok(!isIn(await call(a)));
  for (const one of others) one.leave();
  // What one has is used again without asking.
  const before = asked.length;
  (now(b.enter(principal(), 's', 't')) as Taken).leave();
  assert.equal(asked.length, before);
  // And given back when it is not needed.
  pass(2000);
  await turnsUntil(() => asked.slice(before).includes('hold 0'), 'slots to come back');
});

test('slots that were got for a call that another rule refuses are given back', async (t) => {
  const { make, pass, asked } = cluster(t, [{ atOnce: 1 }, { per: 'tenant', calls: 1, seconds: 1000 }]);
  const limits = make('a');
  ((await limits.enter(principal('bob'), 's', 't')) as Taken).leave();
  assert.ok(!isIn(await limits.enter(principal(), 's', 't')));
  assert.deepEqual(
    asked.filter((what) => what.startsWith('hold')),
    ['hold 1', 'hold 1'],
  );
  pass(2000);
  const back = () => asked.filter((what) => what === 'hold 0').length === 2;
  await turnsUntil(back, 'both slots to come back');
});

test('slots are renewed while calls run, and those of a node that is gone come back', async (t) => {
  const { make, pass, state } = cluster(t, [{ atOnce: 2 }]);
  const [a, b] = [make('a'), make('b')];
  const held = (await a.enter(principal(), 's', 't')) as Taken;
  const wait = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += 250) {
      pass(250);
      await turns();
    }
  };
  const countAtB = async () => {
    const entered = [await b.enter(principal(), 's', 't'), await b.enter(principal(), 's', 't')];
    for (const one of entered) if (isIn(one)) (one as Taken).leave();
    return entered.filter(isIn).length;
  };
  await wait(30_000);
  assert.equal(await countAtB(), 1);
  state.gone = 'a';
  await wait(5000);
  assert.equal(await countAtB(), 1);
  await wait(10_000);
  assert.equal(await countAtB(), 2);
  held.leave();
});

test('while the store is away each node counts for itself, says so once, and shares again when it is back', async (t) => {
  const { make, pass, state, logger } = cluster(t, [{ calls: 10, seconds: 1000, atOnce: 100 }]);
  const [a, b] = [make('a'), make('b')];
  assert.equal(await countIn(a, 8), 8);
  state.isAway = true;
  assert.equal(await countIn(b, 30), 10);
  assert.equal(await countIn(b, 5), 0);
  // It has slots in hand, and finds out about the store when it needs tokens.
  assert.equal(await countIn(a, 30), 10);
  assert.equal(logger.lines.filter(({ level }) => level === 'warn').length, 2);
  state.isAway = false;
  pass(1100);
  await turnsUntil(
    () => logger.lines.filter(({ message }) => message === 'limits are shared again').length === 2,
    'both nodes',
  );
  // The store knows of eight.
  pass(250);
  assert.equal((await countIn(a, 5)) + (await countIn(b, 5)), 2);
});

test('a node that stops gives back all that it has', async (t) => {
  const { make } = cluster(t, [{ calls: 160, seconds: 160, atOnce: 32 }]);
  const [a, b] = [make('a'), make('b')];
  for (let n = 0; n < 20; n++) ((await a.enter(principal(), 's', 't')) as Taken).leave();
  await a.close();
  assert.equal(await countIn(b, 200), 32);
});
