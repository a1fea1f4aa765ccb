import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CountingServer } from '../support/counting-http.ts';
import { placeDatabase } from '../support/database-template.ts';
import { startGateway } from '../support/gateway.ts';
import { isRunning } from '../support/processes.ts';
import { RawClient } from '../support/raw-client.ts';
import { textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';
import { atBoth, BACKINGS, nodeOf, startWorkers, untilStarted, workerPids } from '../support/workers.ts';
import { assertHeard, startLoad } from './load.ts';
import { NumberedServer } from './numbered-server.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const CLIENTS = 40;
const PAUSE_MS = 250;

async function connect(t: TestContext, url: string): Promise<RawClient> {
  const client = new RawClient(url);
  t.after(() => client.close());
  const { status, text } = await client.initialize();
  assert.equal(status, 200, text);
  return client;
}

for (const [where, open] of Object.entries(BACKINGS)) {
  describe(`workers that share what they share ${where}`, () => {
    it('lose no session and no event when they are killed under load, one after the other', async (t) => {
      const [backing, server] = await Promise.all([open(), NumberedServer.start()]);
      const gateway = await startGateway({ env: { ...backing.env, DRAGON_WORKERS: '2' } });
      let close = async () => {};
      t.after(async () => {
        await close();
        if (gateway.isRunning) await gateway.stop('SIGINT');
        await server.http.close();
        await backing.stop();
      });
      await gateway.addServer({ name: 'n', url: server.url });
      const load = await startLoad(gateway.mcpUrl, CLIENTS, server, PAUSE_MS);
      close = () => load.close();
      for (const [count, victim] of workerPids(gateway).entries()) {
        process.kill(victim, 'SIGKILL');
        await load.progress(5);
        await untilStarted(gateway, count + 3);
        await load.progress(5);
      }
      await load.end();
      await load.allHave(server.said);
      for (const client of load.clients) assertHeard(client, server.said);
      for (const { failures, refusals, outcomes } of load.clients) {
        // What it was at work on breaks off, and nothing else: one call a client at most.
        assert.ok(failures.length <= 2, JSON.stringify(failures));
        for (const { status, what } of failures) assert.equal(status, 0, what);
        assert.deepEqual(refusals, []);
        for (const { key, ok } of outcomes) {
          const runs = server.runs.get(key) ?? 0;
          assert.ok(ok ? runs === 1 : runs <= 1, `${key} ran ${runs} times`);
        }
      }
      const [ended, second] = gateway.logged('a worker ended, and is started again');
      assert.equal(ended?.['how'], 'SIGKILL');
      assert.ok(second !== undefined);
      assert.equal(await gateway.stop('SIGTERM'), 0);
      assert.deepEqual(workerPids(gateway).filter(isRunning), []);
    });

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

/** Starts a gateway that cannot start: its exit code, and what it wrote to stderr. */
async function failToStart(t: TestContext, env: Readonly<Record<string, string>>) {
  const folder = await mkdtemp(join(tmpdir(), 'dragon-workers-'));
  await placeDatabase(folder);
  const child = spawn(process.execPath, [MAIN], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      DRAGON_MCP_PORT: '0',
      DRAGON_GRPC_PORT: '0',
      DRAGON_MANAGEMENT_PORT: '0',
      DRAGON_LOG_FORMAT: 'json',
      DRAGON_DATA_DIR: folder,
      ...env,
    },
  });
  t.after(async () => {
    child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });
  let errors = '';
  child.stdout.resume();
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    errors += chunk;
  });
  const [code] = await once(child, 'close');
  return { code, errors };
}

describe('workers that cannot start end with the message of a single process, once', () => {
  async function same(t: TestContext, env: Readonly<Record<string, string>>, expected: RegExp) {
    const alone = await failToStart(t, { DRAGON_WORKERS: '1', ...env });
    const two = await failToStart(t, { DRAGON_WORKERS: '2', ...env });
    assert.match(two.errors, expected);
    assert.deepEqual(two, alone);
    assert.equal(two.code, 78);
  }

  it('a setting that is not accepted', (t) => same(t, { DRAGON_PAGE_SIZE: 'x' }, /DRAGON_PAGE_SIZE/));

  it('a number of workers that is not one', async (t) => {
    for (const DRAGON_WORKERS of ['0', '65', '-1', '1.5', 'many']) {
      const { code, errors } = await failToStart(t, { DRAGON_WORKERS });
      assert.equal(code, 78);
      assert.match(errors, /DRAGON_WORKERS: .* expected auto, or a whole number from 1 to 64/);
    }
  });

  for (const setting of ['DRAGON_MCP_PORT', 'DRAGON_GRPC_PORT', 'DRAGON_MANAGEMENT_PORT']) {
    it(`a port that is in use: ${setting}`, async (t) => {
      const taken = createServer().listen(0, '127.0.0.1');
      await once(taken, 'listening');
      t.after(() => taken.close());
      const { port } = taken.address() as { port: number };
      await same(t, { [setting]: String(port) }, new RegExp(`^dragon: Port ${port} is in use.*\\n$`));
    });
  }

  it('a database that is not there', (t) =>
    same(t, { DATABASE_URL: 'postgres://127.0.0.1:1/none' }, /^dragon: The PostgreSQL at 127.0.0.1:1 .*\n$/));

  it('a data folder that is no folder', (t) =>
    same(t, { DRAGON_DATA_DIR: '/dev/null/x' }, /^dragon: The data folder .*\n$/));

  it('an address that the machine does not have', (t) =>
    same(
      t,
      { DRAGON_HOST: '192.0.2.1', DRAGON_ALLOW_UNAUTHENTICATED: 'true' },
      /^dragon: .*192\.0\.2\.1.*\n$/,
    ));
});
