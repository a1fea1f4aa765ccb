import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { TestContext } from 'node:test';
import { type Cluster, clientAt } from '../support/cluster.ts';
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
  /** How often it has been told that a list changed, by default that of tools. */
  changes(list?: string): number;
}

/** Servers that a cluster has been given, and that stay: one that goes would be news in the tests after it. */
export class Servers {
  readonly #all: CountingServer[] = [];

  async add(cluster: Cluster, name: string) {
    const server = await CountingServer.start({ name });
    this.#all.push(server);
    const id = await cluster.nodes[0]!.addServer({ name, url: server.url });
    return { server, id };
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((server) => server.close()));
  }
}

/** Some sessions at each node, all of which list the tools of a server. */
export async function listeners(t: TestContext, cluster: Cluster, server: string): Promise<Listening[]> {
  const each = async (node: Gateway): Promise<Listening> => {
    const client = new RawClient(node.mcpUrl);
    t.after(async () => {
      const alive = cluster.nodes.find(({ isRunning }) => isRunning);
      await clientAt(alive!.mcpUrl, client).delete();
      client.close();
    });
    await client.initialize();
    const messages = inbox(await client.stream());
    await until(() => has(client, `${server}__echo`), { what: `tools of ${server}`, timeoutMs: SLOW_MS });
    const changes = (list = 'tools') => countOf(messages, `notifications/${list}/list_changed`);
    return { client, node, changes };
  };
  return Promise.all(cluster.nodes.flatMap((node) => Array.from({ length: SESSIONS }, () => each(node))));
}

export async function has(client: RawClient, tool: string): Promise<boolean> {
  return (await listNames(client)).includes(tool);
}

/** Waits until all have heard what there was to hear so far, by another kind of list that changes last. Says how often they have heard of tools. */
export async function settled(all: readonly Listening[], server: CountingServer): Promise<number[]> {
  await oneListens(server);
  const before = all.map(({ changes }) => changes('resources'));
  server.peer.resources = [...server.peer.resources, { uri: `x://${randomUUID()}`, name: 'last' }];
  server.notify('notifications/resources/list_changed');
  await until(() => all.every(({ changes }, n) => changes('resources') > before[n]!), {
    what: 'the last news at every client',
    timeoutMs: SLOW_MS,
  });
  return all.map(({ changes }) => changes());
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
