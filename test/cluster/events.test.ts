import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { until } from '../support/wait.ts';
import { assertExact, EVENT_ENV, MarkedLoad, reckon } from './event-load.ts';

describe('events of a cluster', { timeout: 280_000 }, () => {
  let cluster: Cluster;
  let load: MarkedLoad;

  before(async () => {
    cluster = await startCluster({ env: EVENT_ENV });
    load = await MarkedLoad.start(cluster.mcpUrl, 12, 20);
  });

  after(async () => {
    await load?.stop();
    await cluster?.stop();
  });

  it('is one for each call that was answered, whatever dies', async () => {
    await load.progress(100);
    for (const place of [0, 1, 2]) {
      await cluster.kill(place);
      await load.progress(50);
      await cluster.revive(place);
      await load.progress(50);
    }
    cluster.database.refuse();
    await load.progress(100);
    await cluster.kill(0);
    await load.progress(50);
    cluster.database.heal();
    await cluster.revive(0);
    for (let i = 0; i < 5; i++) {
      cluster.database.cut();
      await load.progress(20);
    }
    await cluster.redis.restart();
    await load.progress(50);
    await load.stop();
    assertExact(await reckon(cluster, load));
    const verified = await cluster.nodes[1]!.manage('VerifyEventLog');
    assert.equal(verified['fault'], undefined, JSON.stringify(verified));
  });

  it('tells of each node that was killed, once', async () => {
    const gone = await until(
      async () => {
        const { events = [] } = (await cluster.nodes[1]!.manage('GetEventLog', {
          filter: { type: 'TYPE_NODE' },
          pageSize: 1000,
        })) as { events?: { action: string; detail?: { gone?: string } }[] };
        const found = events.filter(({ action }) => action === 'gone').map(({ detail }) => detail?.gone);
        return found.includes('node-1-2') && found;
      },
      { what: 'an event of the last node that was killed', timeoutMs: 60_000 },
    );
    assert.equal(new Set(gone).size, gone.length);
  });

  it('leaves nothing behind in Redis', async () => {
    await until(async () => Number(await cluster.redis.call('XLEN', 'dragon:log:{events}')) === 0, {
      what: 'all events to be taken out',
      timeoutMs: 60_000,
    });
  });
});
