import assert from 'node:assert/strict';
import { it } from 'node:test';
import { startCluster } from '../support/cluster.ts';
import type { Gateway } from '../support/gateway.ts';
import { until } from '../support/wait.ts';
import { assertHeard, type Load, startLoad } from './load.ts';
import { NumberedServer } from './numbered-server.ts';

const CLIENTS = 100;

/** Between two calls of one client, and between two numbers. */
const PAUSE_MS = 250;

it('loses no session and no event when nodes are killed under load, one after the other', async (t) => {
  const [cluster, server] = await Promise.all([startCluster(), NumberedServer.start()]);
  let load: Load | undefined;
  t.after(async () => {
    await load?.close();
    await cluster.stop();
    await server.close();
  });
  await cluster.nodes[0]!.addServer({ name: 'n', url: server.url });
  load = await startLoad(cluster.mcpUrl, CLIENTS, server, PAUSE_MS);

  for (const place of cluster.nodes.keys()) {
    const victim = cluster.nodes[place]!;
    const witness = cluster.nodes[(place + 1) % cluster.nodes.length]!;
    const id = await idOf(victim);
    await cluster.kill(place);
    await until(async () => (await statesAt(witness)).get(id) === 'gone', {
      what: 'the others to know',
      timeoutMs: 30_000,
    });
    await load.progress(5);
    await cluster.revive(place);
    await load.progress(5);
  }
  await load.end();

  await load.allHave(server.said);
  for (const client of load.clients) assertHeard(client, server.said);
  const failures = load.clients.flatMap((client) => client.failures);
  // A node that dies takes with it what it was at work on, and nothing else: one call a client at most.
  assert.ok(failures.length <= CLIENTS * cluster.nodes.length, `${failures.length} calls failed`);
  for (const { status, what } of failures) assert.ok(status === 502 || status === 0, `${status} ${what}`);
  assert.deepEqual(
    load.clients.flatMap(({ refusals }) => refusals).filter((status) => status !== 502),
    [],
  );
  for (const { outcomes } of load.clients) {
    for (const { key, ok } of outcomes) {
      const runs = server.runs.get(key) ?? 0;
      assert.ok(ok ? runs === 1 : runs <= 1, `${key} ran ${runs} times`);
    }
  }
});

interface Member {
  readonly id: string;
  readonly address: string;
  readonly state: string;
}

async function membersAt(node: Gateway): Promise<readonly Member[]> {
  return (await (await fetch(`${node.opsUrl}/cluster/members`)).json()) as readonly Member[];
}

async function idOf(node: Gateway): Promise<string> {
  const { host } = new URL(node.mcpUrl);
  return (await membersAt(node)).find(({ address }) => address === host)!.id;
}

async function statesAt(node: Gateway): Promise<ReadonlyMap<string, string>> {
  return new Map((await membersAt(node)).map(({ id, state }) => [id, state]));
}
