import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { type Cluster, clientAt, startCluster } from '../support/cluster.ts';
import { CountingServer } from '../support/counting-http.ts';
import type { Gateway } from '../support/gateway.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const PROBE_MS = 2000;
const IDLE_MS = 3000;

/** Far longer than it takes others to find out that a node is gone, and to do what it was at. */
const LONG_MS = 150_000;

const QUEUE = 'dragon:{jobs}:jobs';

describe('jobs of a cluster', () => {
  let cluster: Cluster;
  /** Nobody uses it: it is only ever looked at. */
  let unused: CountingServer;
  let used: CountingServer;
  const held: ServerResponse[] = [];
  let isHolding = false;

  before(async () => {
    [cluster, unused, used] = await Promise.all([
      startCluster({
        env: {
          DRAGON_PROBE_INTERVAL_MS: String(PROBE_MS),
          DRAGON_SESSION_IDLE_MS: String(IDLE_MS),
          DRAGON_BUILTIN_TOOLS: 'off',
        },
      }),
      CountingServer.start({
        intercept: ({ message }, response) => {
          if (!isHolding || message?.method !== 'initialize') return false;
          held.push(response);
          return true;
        },
      }),
      CountingServer.start(),
    ]);
  });

  after(async () => {
    for (const response of held) response.destroy();
    await cluster?.stop();
    await Promise.all([unused?.close(), used?.close()]);
  });

  const probes = () => unused.count('initialize');

  const probed = (times: number) =>
    until(() => probes() >= times, { what: `probe ${times}`, timeoutMs: LONG_MS });

  async function healthAt(node: Gateway): Promise<{ state?: string; checkTime?: string }> {
    const { servers } = (await node.manage('ListMcpServers')) as {
      servers?: { name: string; health: object }[];
    };
    return servers?.find(({ name }) => name === 'unused')?.health ?? {};
  }

  /** Name of the node that runs a job now. */
  async function runnerOf(job: string): Promise<string | undefined> {
    const ids = (await cluster.redis.call('LRANGE', `${QUEUE}:active`, 0, -1)) as string[];
    for (const id of ids) {
      const [name, node] = (await cluster.redis.call('HMGET', `${QUEUE}:${id}`, 'name', 'pb')) as string[];
      if (name === job) return node;
    }
    return undefined;
  }

  it('look at a server that nobody uses once in each interval, and all nodes know how it is', async () => {
    const startedAt = Date.now();
    await cluster.nodes[0]!.addServer({ name: 'unused', url: unused.url });
    for (let times = 1; times <= 4; times++) {
      await probed(times);
      // A run that is late is none too many.
      const most = Math.floor((Date.now() - startedAt) / PROBE_MS) + 1;
      assert.ok(probes() <= most, `${probes()} probes where ${most} were due`);
    }
    assert.equal(unused.count('tools/list'), 0, 'a look that asked for lists');
    const ok = async () => {
      const all = await Promise.all(cluster.nodes.map(healthAt));
      return all.every(({ state }) => state === 'STATE_OK');
    };
    await until(ok, { what: 'good health at every node', timeoutMs: LONG_MS });
    const [{ checkTime }] = [await healthAt(cluster.nodes[2]!)];
    const later = async () =>
      Date.parse((await healthAt(cluster.nodes[2]!)).checkTime!) > Date.parse(checkTime!);
    await until(later, { what: 'news of its health', timeoutMs: LONG_MS });
    const metrics = await Promise.all(
      cluster.nodes.map(async ({ opsUrl }) => (await fetch(`${opsUrl}/metrics`)).text()),
    );
    const runs = metrics.map(
      (text) => /^dragon_jobs_total\{job="servers.probe",outcome="ok"\} (\d+)$/m.exec(text)?.[1],
    );
    assert.ok(runs.reduce((sum, count) => sum + Number(count ?? 0), 0) >= 4, runs.join());
  });

  it('go on when the node dies that was at one', async (t) => {
    isHolding = true;
    const isRunning = async () => (held.length > 0 ? await runnerOf('servers.probe') : undefined);
    const runner = await until(isRunning, { what: 'a node to look at the server', timeoutMs: LONG_MS });
    const place = Number(/^node-(\d)-/.exec(runner)?.[1]) - 1;
    await cluster.kill(place);
    t.after(() => cluster.revive(place));
    isHolding = false;
    await probed(probes() + 3);
  });

  it('end a session at its servers whose only node has died, once, when it has been idle', async (t) => {
    await cluster.nodes[0]!.addServer({ name: 'used', url: used.url });
    const client = new RawClient(cluster.nodes[0]!.mcpUrl);
    t.after(() => client.close());
    await client.initialize();
    const answered = async () =>
      (await client.callTool('used__echo', { text: 'x' })).message?.error === undefined;
    await until(answered, { what: 'the call', timeoutMs: LONG_MS });
    const { sessionId } = used.last('tools/call')!;
    assert.ok(sessionId !== undefined && used.openSessions.includes(sessionId));
    await cluster.kill(0);
    t.after(() => cluster.revive(0));
    const ended = () =>
      used.seen.filter((seen) => seen.httpMethod === 'DELETE' && seen.sessionId === sessionId).length;
    await until(() => ended() > 0, { what: 'the session with the server to be ended', timeoutMs: LONG_MS });
    assert.ok(!used.openSessions.includes(sessionId));
    const elsewhere = clientAt(cluster.nodes[1]!.mcpUrl, client);
    t.after(() => elsewhere.close());
    assert.equal((await elsewhere.request('ping')).status, 404);
    const told = () =>
      cluster.nodes.some((node) => node.logged('sessions of nodes that have gone are ended').length > 0);
    await until(told, { what: 'the log' });
    assert.equal(ended(), 1);
  });
});
