import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startGateway } from '../support/gateway.ts';
import { isRunning } from '../support/processes.ts';
import { BACKINGS, untilStarted, workerPids } from '../support/workers.ts';
import { assertHeard, startLoad } from './load.ts';
import { NumberedServer } from './numbered-server.ts';

const CLIENTS = 40;

/** Between two calls of one client, and between two numbers. */
const PAUSE_MS = 250;

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
  });
}
