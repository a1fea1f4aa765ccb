import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Cluster } from '../support/cluster.ts';
import { CountingServer } from '../support/counting-http.ts';
import type { Gateway } from '../support/gateway.ts';
import { countOf, inbox } from '../support/inbox.ts';
import { listNames } from '../support/lists.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

/** A machine that other tests keep busy takes its time. */
export const SLOW_MS = 60_000;

/** Of sessions at each node. */
const SESSIONS = 3;

/** A session at one node whose client listens. */
export interface Listening {
  readonly client: RawClient;
  readonly node: Gateway;
  /** How often it has been told that the list of tools changed. */
  changes(): number;
}

/** A server of the cluster, for one test. */
export async function addServer(t: TestContext, cluster: Cluster, name: string) {
  const server = await CountingServer.start({ name });
  const id = await cluster.nodes[0]!.addServer({ name, url: server.url });
  t.after(async () => {
    const node = cluster.nodes.find(({ isRunning }) => isRunning);
    await node!.manage('DeleteMcpServer', { server: { id } });
    await server.close();
  });
  return { server, id };
}

/** Some sessions at each node, all of which list the tool. */
export async function listeners(t: TestContext, cluster: Cluster, tool: string): Promise<Listening[]> {
  const each = async (node: Gateway): Promise<Listening> => {
    const client = new RawClient(node.mcpUrl);
    t.after(() => client.close());
    await client.initialize();
    const messages = inbox(await client.stream());
    await until(() => has(client, tool), { what: tool, timeoutMs: SLOW_MS });
    return { client, node, changes: () => countOf(messages, 'notifications/tools/list_changed') };
  };
  return Promise.all(cluster.nodes.flatMap((node) => Array.from({ length: SESSIONS }, () => each(node))));
}

export async function has(client: RawClient, tool: string): Promise<boolean> {
  return (await listNames(client)).includes(tool);
}

/** Waits until all have been told of so many changes more than `before`. */
export async function told(
  all: readonly Listening[],
  before: readonly number[],
  count: number,
): Promise<void> {
  await until(() => all.every(({ changes }, n) => changes() >= before[n]! + count), {
    what: `news ${count} at every client`,
    timeoutMs: SLOW_MS,
  });
}

/** Waits until one connection listens to the server, all nodes together. */
export async function oneListens(server: CountingServer): Promise<void> {
  await until(() => server.openStreams === 1, { what: 'one node to listen', timeoutMs: SLOW_MS });
}

/** The place of the node that watches the server. */
export async function watcherOf(cluster: Cluster, id: string): Promise<number> {
  const keys = (await cluster.redis.call('KEYS', `dragon:lease:{watch:${id}:*`)) as string[];
  assert.equal(keys.length, 1, keys.join());
  const owner = String(await cluster.redis.call('HGET', keys[0]!, 'owner'));
  return Number(/^node-(\d+)-/.exec(owner)![1]) - 1;
}
