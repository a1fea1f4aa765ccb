import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { CountingServer } from '../support/counting-http.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { Journal } from '../support/journal.ts';
import { listNames } from '../support/lists.ts';
import { toolText } from '../support/marked-server.ts';
import { RawClient } from '../support/raw-client.ts';
import { textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';
import { atBoth, BACKINGS, type Backing } from '../support/workers.ts';

for (const [where, open] of Object.entries(BACKINGS)) {
  describe(`two workers that share what they share ${where}`, () => {
    let backing: Backing;
    let gateway: Gateway;
    let server: CountingServer;
    let startedAt: number;

    before(async () => {
      startedAt = performance.now();
      backing = await open();
      const env = { ...backing.env, DRAGON_WORKERS: '2', DRAGON_NODE_ID: 'gw' };
      [gateway, server] = await Promise.all([startGateway({ env }), CountingServer.start()]);
      await gateway.addServer({ name: 'one', url: server.url });
    });
    after(async () => {
      server?.peer.release();
      if (gateway?.isRunning) await gateway.stop('SIGINT');
      await server?.close();
      await backing?.stop();
    });

    async function connect(t: TestContext): Promise<[RawClient, RawClient]> {
      const client = new RawClient(gateway.mcpUrl);
      t.after(() => client.close());
      const { status, text } = await client.initialize();
      assert.equal(status, 200, text);
      return atBoth(t, gateway, client);
    }

    it('serve one session, with one session at the server', async (t) => {
      const before = server.openSessions.length;
      const both = await connect(t);
      for (const [n, client] of [...both, ...both].entries()) {
        const { message, text } = await client.callTool('one__echo', { text: `é${n}` });
        assert.equal(textOf(message!), `é${n}`, text);
      }
      assert.ok(server.openSessions.length <= before + 2, 'the lists have one, and the client');
    });

    it('know of a session that ended at the other', async (t) => {
      const [a, b] = await connect(t);
      assert.equal((await a.callTool('one__echo', { text: 'x' })).status, 200);
      assert.equal((await b.delete()).status, 204);
      await until(async () => (await a.request('ping')).status === 404, { what: 'the end of the session' });
    });

    it('cancel what runs at the other', async (t) => {
      const [a, b] = await connect(t);
      const before = server.peer.cancelled;
      const call = a.callTool('one__hold', {}, { id: 'held' });
      await until(() => server.peer.held > 0, { what: 'the call to run' });
      await b.notify('notifications/cancelled', { requestId: 'held' });
      await until(() => server.peer.cancelled > before, { what: 'the server to hear of it' });
      await call;
    });

    it('say at one what a server says to a session of the other, once and in order, and again to who comes back', async (t) => {
      const [a, b] = await connect(t);
      await a.callTool('one__echo', { text: 'x' });
      const stream = await a.stream();
      const numbers: unknown[] = [];
      const say = (data: number) =>
        server.notify('notifications/message', { level: 'error', logger: t.name, data });
      await until(() => server.openStreams > 1, { what: 'the server to be listened to' });
      for (const n of [1, 2, 3]) say(n);
      let lastEventId: string | undefined;
      for await (const { id, message } of stream) {
        if (id !== undefined) lastEventId = id;
        if (message?.params?.['logger'] === t.name) numbers.push(message.params['data']);
        if (numbers.length === 3) break;
      }
      stream.close();
      for (const n of [4, 5, 6]) say(n);
      const again = await b.stream(lastEventId === undefined ? {} : { lastEventId });
      for await (const { message } of again) {
        if (message?.params?.['logger'] === t.name) numbers.push(message.params['data']);
        if (numbers.length === 6) break;
      }
      again.close();
      assert.deepEqual(numbers, [1, 2, 3, 4, 5, 6]);
    });

    it('list at both what is registered at one', async (t) => {
      const [a, b] = await connect(t);
      const id = await gateway.addServer({ name: 'two', url: server.url });
      for (const client of [a, b]) {
        await until(async () => (await listNames(client)).includes('two__echo'), { what: 'its tools' });
      }
      await gateway.manage('DeleteMcpServer', { server: { id } });
      for (const client of [a, b]) {
        await until(async () => !(await listNames(client)).includes('two__echo'), { what: 'its end' });
      }
    });

    it('have one process of a server that is a command', async (t) => {
      const journal = await Journal.open();
      t.after(() => journal.close());
      await gateway.addServer({ name: 'p', stdio: journal.command });
      const [a, b] = await connect(t);
      const pids = new Set<string>();
      for (const client of [a, b, a, b]) pids.add(await toolText(client, 'p__pid'));
      assert.equal(pids.size, 1);
      assert.equal(journal.starts.length, 1);
    });

    it('are nodes of a cluster, and told of on one port', async () => {
      const members = await json(`${gateway.opsUrl}/cluster/members`);
      assert.deepEqual(
        (members as { id: string; state: string }[]).map(({ id, state }) => [id, state]),
        [
          ['gw-1', 'ready'],
          ['gw-2', 'ready'],
        ],
      );
      assert.deepEqual(await json(`${gateway.opsUrl}/ready`), { ready: true, reasons: [] });
      assert.deepEqual(await json(`${gateway.opsUrl}/alive`), { alive: true });
    });

    it('count each for itself, on one page', async (t) => {
      const [a, b] = await connect(t);
      for (const client of [a, b]) await client.callTool('one__echo', { text: 'x' });
      const page = await (await fetch(`${gateway.opsUrl}/metrics`)).text();
      const lines = page.split('\n');
      for (const worker of ['1', '2']) {
        const calls = lines.find(
          (line) =>
            line.startsWith(`dragon_requests_total{worker="${worker}",`) && line.includes('tools/call'),
        );
        assert.ok(Number(calls?.split(' ').at(-1)) > 0, `${worker}: ${calls}`);
      }
      for (const worker of ['primary', '1', '2']) {
        const memory = lines.filter((line) =>
          line.startsWith(`process_memory_usage_bytes{worker="${worker}"}`),
        );
        assert.equal(memory.length, 1, page);
      }
      const types = lines.filter((line) => line.startsWith('# TYPE '));
      assert.equal(new Set(types).size, types.length, 'each family once');
    });

    it('run each job once, and not once at each', async () => {
      const runs = async () => {
        const page = await (await fetch(`${gateway.opsUrl}/metrics`)).text();
        const counts = page
          .split('\n')
          .filter((line) => /^dragon_jobs_total\{.*job="catalogs\.refresh"/.test(line))
          .map((line) => Number(line.split(' ').at(-1)));
        return counts.reduce((sum, count) => sum + count, 0);
      };
      const count = await until(runs, { what: 'the first run' });
      // Once a minute, and once at the start.
      assert.ok(count <= 2 + (performance.now() - startedAt) / 60_000, `${count} runs`);
    });
  });
}

async function json(url: string): Promise<unknown> {
  return (await fetch(url)).json();
}
