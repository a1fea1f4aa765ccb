import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { type Principal, rolesOf } from '../../src/auth/principal.ts';
import { Limited } from '../../src/limits/limited.ts';
import { Limits, type Taken } from '../../src/limits/limits.ts';
import { readLimits } from '../../src/limits/rules.ts';
import { startRedisNode, uniqueId } from '../support/coordination.ts';
import { recordingLogger } from '../support/fakes.ts';
import { startGateway } from '../support/gateway.ts';
import { RawClient } from '../support/raw-client.ts';
import { type OwnRedis, startOwnRedis } from '../support/redis.ts';
import { until } from '../support/wait.ts';
import { atBoth, BACKINGS } from '../support/workers.ts';

const ADA: Principal = { tenantId: 'acme', userId: 'ada', roles: rolesOf([]) };

/** Nothing is refilled while a test runs. */
const LONG_S = 1_000_000;

const settingsOf = (...rules: readonly object[]) => {
  const settings = readLimits(JSON.stringify({ rules }));
  assert.ok(!('problem' in settings), JSON.stringify(settings));
  return settings;
};

const isIn = (entered: Taken | Limited): entered is Taken => !(entered instanceof Limited);

describe('limits that two nodes share through Redis', { timeout: 170_000 }, () => {
  let redis: OwnRedis;
  before(async () => {
    redis = await startOwnRedis();
  });
  after(async () => {
    await redis?.stop();
  });

  async function node(t: TestContext, rule: object) {
    const nodeId = uniqueId('node');
    const coordination = await startRedisNode(redis, nodeId);
    const logger = recordingLogger();
    const limits = new Limits({ ...coordination, settings: settingsOf(rule), hasPeers: true, logger });
    t.after(async () => {
      await limits.close();
      await coordination.close();
    });
    const said = (message: RegExp) => logger.lines.filter((line) => message.test(line.message)).length;
    return { limits, coordination, said, call: () => limits.enter(ADA, 's', 't') };
  }

  type Node = Awaited<ReturnType<typeof node>>;
  const count = async (at: Node, calls: number) =>
    (await Promise.all(Array.from({ length: calls }, at.call))).filter(isIn).length;

  it('let in together what one would, to the last token', async (t) => {
    const rule = { name: uniqueId('rule'), calls: 500, seconds: LONG_S };
    const [a, b] = [await node(t, rule), await node(t, rule)];
    let sum = 0;
    for (let round = 0; round < 10; round++) {
      const [ofA, ofB] = await Promise.all([count(a, 40), count(b, 40)]);
      sum += ofA + ofB;
    }
    // What one of them had in hand for more is given back.
    await until(
      async () => {
        sum += (await count(a, 5)) + (await count(b, 5));
        return sum >= 500;
      },
      { what: 'the last token', timeoutMs: 30_000 },
    );
    assert.equal(sum, 500);
    assert.equal(await count(a, 50), 0);
  });

  it('let in no more than is refilled', async (t) => {
    const rule = { name: uniqueId('rule'), calls: 50, seconds: 1 };
    const nodes = [await node(t, rule), await node(t, rule)];
    const began = performance.now();
    let sum = 0;
    await until(
      async () => {
        for (const each of await Promise.all(nodes.map((at) => count(at, 10)))) sum += each;
        assert.ok(sum <= 50 + (performance.now() - began) / 20 + 1, String(sum));
        return sum >= 150;
      },
      { what: 'a hundred that are refilled', timeoutMs: 60_000 },
    );
  });

  it('a node that stops gives its tokens and slots back; one that dies loses its slots after a while', async (t) => {
    const rule = { name: uniqueId('rule'), atOnce: 4 };
    const [a, b, c] = [await node(t, rule), await node(t, rule), await node(t, rule)];
    assert.equal(await count(a, 2), 2);
    assert.equal(await count(b, 3), 2);
    assert.equal(await count(c, 1), 0);
    await a.limits.close();
    assert.equal(await until(() => count(c, 1), { what: 'a slot of the node that stopped' }), 1);
    // As if it were gone: it renews nothing from now on.
    await b.coordination.close();
    await until(() => count(c, 1), { what: 'a slot of the node that died', timeoutMs: 40_000 });
    assert.equal(await until(() => count(c, 2), { what: 'the others' }).catch(() => 0), 2);
  });

  it('gives a slot to whichever node has a call for it, at once', async (t) => {
    const rule = { name: uniqueId('rule'), atOnce: 1 };
    const nodes = [await node(t, rule), await node(t, rule)] as const;
    for (let turn = 0; turn < 20; turn++) {
      const entered = await nodes[turn % 2]!.call();
      assert.ok(isIn(entered), `turn ${turn}`);
      assert.ok(!isIn(await nodes[(turn + 1) % 2]!.call()));
      entered.leave();
      // The node that was refused does not ask again at once.
      await until(
        async () => {
          const next = await nodes[(turn + 1) % 2]!.call();
          if (isIn(next)) next.leave();
          return isIn(next);
        },
        { what: 'the slot at the other node' },
      );
    }
  });

  it('count each for itself while Redis is away, and together when it is back', async (t) => {
    const rule = { name: uniqueId('rule'), calls: 20, seconds: LONG_S };
    const [a, b] = [await node(t, rule), await node(t, rule)];
    assert.equal(await count(a, 15), 15);
    await redis.kill();
    assert.equal(await count(a, 40), 20);
    assert.equal(await count(b, 40), 20);
    for (const each of [a, b]) assert.equal(each.said(/cannot be shared/), 1);
    await redis.start();
    await until(() => a.said(/shared again/) + b.said(/shared again/) === 2, {
      what: 'both to share again',
      timeoutMs: 30_000,
    });
    // It has forgotten all that it held.
    assert.equal((await count(a, 30)) + (await count(b, 30)), 20);
  });
});

for (const [where, open] of Object.entries(BACKINGS)) {
  it(`two workers that share what they share ${where} keep to a limit together`, async (t) => {
    const backing = await open();
    t.after(() => backing.stop());
    const rules = [{ name: 'echoes', tools: ['echo'], calls: 7, seconds: LONG_S }];
    const env = { ...backing.env, DRAGON_WORKERS: '2', DRAGON_LIMITS: JSON.stringify({ rules }) };
    const gateway = await startGateway({ env });
    t.after(async () => {
      if (gateway.isRunning) await gateway.stop('SIGINT');
    });
    const client = new RawClient(gateway.mcpUrl);
    t.after(() => client.close());
    assert.equal((await client.initialize()).status, 200);
    const both = await atBoth(t, gateway, client);
    const statuses: number[] = [];
    for (let n = 0; n < 10; n++) {
      const { status, headers } = await both[n % 2]!.callTool('echo', { message: 'x' });
      statuses.push(status);
      if (status === 429) assert.ok(Number(headers['retry-after']) > 1000);
    }
    assert.deepEqual(statuses, [...Array(7).fill(200), ...Array(3).fill(429)]);
  });
}
