import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { CountingServer } from '../support/counting-http.ts';
import { startGateway } from '../support/gateway.ts';
import { isRunning } from '../support/processes.ts';
import { RawClient } from '../support/raw-client.ts';
import { textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';
import { atBoth, BACKINGS, nodeOf, startWorkers, untilStarted, workerPids } from '../support/workers.ts';

async function connect(t: TestContext, url: string): Promise<RawClient> {
  const client = new RawClient(url);
  t.after(() => client.close());
  const { status, text } = await client.initialize();
  assert.equal(status, 200, text);
  return client;
}

for (const [where, open] of Object.entries(BACKINGS)) {
  describe(`workers that share what they share ${where}`, () => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      it(`let calls end on ${signal}, and stop`, async (t) => {
        const [backing, server] = await Promise.all([open(), CountingServer.start()]);
        const gateway = await startGateway({ env: { ...backing.env, DRAGON_WORKERS: '2' } });
        t.after(async () => {
          server.peer.release();
          if (gateway.isRunning) await gateway.stop('SIGINT');
          await server.close();
          await backing.stop();
        });
        await gateway.addServer({ name: 'one', url: server.url });
        const clients = await atBoth(t, gateway, await connect(t, gateway.mcpUrl));
        const calls = clients.map((client) => client.callTool('one__hold'));
        await until(() => server.peer.held === 2, { what: 'the calls to run' });
        // A terminal sends it to every process of the group.
        for (const pid of workerPids(gateway)) process.kill(pid, signal);
        const stopped = gateway.stop(signal);
        await until(async () => (await fetch(`${gateway.opsUrl}/ready`)).status === 503, {
          what: 'the stop to begin',
        });
        server.peer.release();
        for (const call of calls) assert.equal(textOf((await call).message!), 'released');
        assert.equal(await stopped, 0);
        assert.deepEqual(workerPids(gateway).filter(isRunning), []);
        if (backing.env['REDIS_URL'] === undefined) assert.deepEqual(server.openSessions, []);
      });
    }
  });
}

it('a worker that is killed is another node when it is back; the gateway stays ready, and the others go on', async (t) => {
  const gateway = await startWorkers(t, { DRAGON_NODE_ID: 'gw' });
  const both = await atBoth(t, gateway, await connect(t, gateway.mcpUrl));
  const nodes = await Promise.all(both.map(nodeOf));
  const other = both[nodes.indexOf('gw-2')]!;
  const victim = gateway.logged('a worker serves').find(({ worker }) => worker === 'gw-1');
  process.kill(Number(victim!['pid']), 'SIGKILL');
  await untilStarted(gateway, 3);
  assert.equal(await nodeOf(other), 'gw-2');
  assert.equal((await fetch(`${gateway.opsUrl}/ready`)).status, 200);
  const members = (await (await fetch(`${gateway.opsUrl}/cluster/members`)).json()) as {
    id: string;
    state: string;
  }[];
  assert.deepEqual(
    members.map(({ id, state }) => `${id} ${state}`),
    ['gw-1 gone', 'gw-2 ready', 'gw-3 ready'],
  );
});

it('ports that were any free ones stay the same when all workers are killed at once', async (t) => {
  const gateway = await startWorkers(t);
  const client = await connect(t, gateway.mcpUrl);
  for (const pid of workerPids(gateway)) process.kill(pid, 'SIGKILL');
  await untilStarted(gateway, 4);
  const both = await atBoth(t, gateway, client);
  for (const each of both) assert.equal((await each.request('ping')).status, 200);
  await gateway.manage('ListMcpServers');
  assert.equal((await fetch(`${gateway.opsUrl}/ready`)).status, 200);
});

it('workers end with a primary that is killed', async (t) => {
  const gateway = await startWorkers(t);
  const pids = workerPids(gateway);
  assert.equal(pids.length, 2);
  await gateway.stop('SIGKILL');
  await until(() => pids.every((pid) => !isRunning(pid)), { what: 'the end of the workers' });
});
