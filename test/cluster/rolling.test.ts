import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Cluster, startCluster } from '../support/cluster.ts';
import type { Gateway } from '../support/gateway.ts';
import { findNginx, startNginx } from '../support/nginx.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';
import { assertHeard, type Load, startLoad } from './load.ts';
import { NumberedServer } from './numbered-server.ts';

const CLIENTS = 16;

/** Nodes wait for Redis for a little longer. */
const PATIENCE_MS = 300;

const nginx = await findNginx();

describe('nodes that are restarted one by one under load: no call fails, nothing is lost or said twice', () => {
  it('behind a balancer that asks whether they are ready', async (t) => {
    const cluster = await startCluster();
    t.after(() => cluster.stop());
    await roll(t, cluster, cluster.mcpUrl);
    assert.equal(cluster.balancer.broken, 0);
  });

  it('behind the nginx of this repository', {
    skip: nginx === undefined && 'nginx is not installed',
  }, async (t) => {
    const cluster = await startCluster({ keepPorts: true });
    t.after(() => cluster.stop());
    const addresses = cluster.nodes.map(({ mcpUrl, grpcUrl, opsUrl }) => ({
      mcp: new URL(mcpUrl).host,
      management: new URL(grpcUrl).host,
      ops: new URL(opsUrl).host,
    }));
    const running = await startNginx(nginx!, addresses);
    t.after(() => running.stop());
    await roll(t, cluster, running.mcpUrl).finally(() => t.diagnostic(running.output));
  });
});

async function roll(t: TestContext, cluster: Cluster, url: string): Promise<void> {
  const server = await NumberedServer.start();
  let load: Load | undefined;
  t.after(async () => {
    await load?.close();
    await server.close();
  });
  await cluster.nodes[0]!.addServer({ name: 'n', url: server.url });
  load = await startLoad(url, CLIENTS, server);
  const newcomers = welcome(url);
  t.after(() => newcomers.end());
  const store = watchStore(cluster);
  t.after(() => store.end());

  for (const place of cluster.nodes.keys()) {
    assert.equal(await cluster.restart(place), 0);
    await until(() => hasSessions(cluster.nodes[place]!), {
      what: 'the new node to be used',
      timeoutMs: 60_000,
    });
    await load.progress(5);
  }
  await load.end();
  const outcomes = await newcomers.end();
  await store.end();

  const { said } = server;
  await load.allHave(said);
  const isExcused = (what: string) => store.wasSlow && /cannot reach its session store/.test(what);
  assert.deepEqual(
    Object.entries(load.failures()).filter(([what]) => !isExcused(what)),
    [],
  );
  for (const client of load.clients) assertHeard(client, said);
  for (const client of load.clients) {
    for (const { key } of client.outcomes) assert.equal(server.runs.get(key), 1, key);
  }
  assert.deepEqual(new Set(outcomes.filter((what) => !isExcused(what))), new Set(['welcome']));
}

/**
 * Whether Redis was slower to answer than nodes wait for, as on a machine that has far too much to do: what nodes then
 * refuse has nothing to do with their restart.
 */
function watchStore({ redis }: Cluster): { readonly wasSlow: boolean; end(): Promise<void> } {
  let slowest = 0;
  let isOver = false;
  const watching = (async () => {
    while (!isOver) {
      const from = performance.now();
      await redis.call('PING');
      slowest = Math.max(slowest, performance.now() - from);
      await delay(20);
    }
  })();
  return {
    get wasSlow() {
      return slowest > PATIENCE_MS;
    },
    async end() {
      isOver = true;
      await watching;
    },
  };
}

/** Nothing but requests brings sessions to a node that is new. */
async function hasSessions({ opsUrl, mcpUrl }: Gateway): Promise<boolean> {
  const members = (await (await fetch(`${opsUrl}/cluster/members`)).json()) as readonly {
    readonly address: string;
    readonly sessions: number;
    readonly state: string;
  }[];
  const { host } = new URL(mcpUrl);
  return members.some(
    ({ address, sessions, state }) => address === host && state === 'ready' && sessions > 0,
  );
}

/** Clients that come one after the other, each with a session that it uses and ends. What became of each. */
function welcome(url: string): { end(): Promise<readonly string[]> } {
  const outcomes: string[] = [];
  let isOver = false;
  const coming = (async () => {
    for (let visitor = 1; !isOver; visitor++) {
      const client = new RawClient(url);
      outcomes.push(await visit(client, `visitor-${visitor}`).catch(String));
      client.close();
    }
  })();
  return {
    async end() {
      isOver = true;
      await coming;
      return outcomes;
    },
  };
}

async function visit(client: RawClient, key: string): Promise<string> {
  const { status, text } = await client.initialize();
  if (status !== 200) return `initialize: ${status} ${text}`;
  const call = await client.callTool('n__work', { key });
  if (call.message?.result?.content?.[0]?.text !== key) return `call: ${call.status} ${call.text}`;
  const ended = await client.delete();
  return ended.status === 204 ? 'welcome' : `delete: ${ended.status} ${ended.text}`;
}
