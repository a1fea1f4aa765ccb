import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Gateway } from '../support/gateway.ts';
import { listNames } from '../support/lists.ts';
import { addMarked, connect, type MarkedServer, toolText, untilGone } from '../support/marked-server.ts';
import { echoStdio, hostileStdio } from '../support/stdio-commands.ts';
import { until } from '../support/wait.ts';

describe('servers that are processes, when their gateway goes', () => {
  let dataDir: string;
  let running: Gateway | undefined;
  const servers: MarkedServer[] = [];
  const processes = () => servers.flatMap((server) => server.processes());

  /** One folder for all: that a gateway finds it after a `kill -9` of the one before is part of the matter. */
  const start = async (env: Readonly<Record<string, string>> = {}) => {
    running = await Gateway.start({ dataDir, env: { DRAGON_LIST_TIMEOUT_MS: '3000', ...env } });
    return running;
  };

  before(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'dragon-orphans-'));
    const gateway = await start();
    servers.push(
      await addMarked(gateway, 'good'),
      await addMarked(gateway, 'stubborn', hostileStdio('ignore-sigterm')),
      await addMarked(gateway, 'parent', hostileStdio('grandchild', join(dataDir, 'pids'))),
      await addMarked(gateway, 'starting', hostileStdio('never-initialize')),
    );
  });

  after(async () => {
    await running?.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  for (const signal of ['SIGTERM', 'SIGKILL', 'SIGINT'] as const) {
    it(`go with it, and all that they started: ${signal}`, async (t) => {
      const gateway = running?.isRunning ? running : await start();
      const client = await connect(t, gateway);
      for (const name of ['good', 'stubborn', 'parent']) {
        assert.equal(await toolText(client, `${name}__echo`, { text: 'hi' }), 'hi');
      }
      const held = client.callTool('good__hold').catch(() => undefined);
      await until(() => processes().length === 5, { what: 'four processes, one with a child' });
      client.close();
      assert.equal(await gateway.stop(signal), signal === 'SIGKILL' ? null : 0);
      if (signal !== 'SIGKILL')
        assert.deepEqual(processes(), [], 'one that ends in order has waited for them');
      await untilGone(processes);
      await held;
    });
  }

  it('are neither taken nor started where they are switched off', async (t) => {
    const gateway = await start({ DRAGON_STDIO: 'off' });
    const [server] = servers;
    const id = server!.id;
    await assert.rejects(addMarked(gateway, 'after'), /failed_precondition[\s\S]*DRAGON_STDIO/);
    await assert.rejects(
      gateway.manage('UpdateMcpServer', { server: { id }, changes: { stdio: echoStdio() } }),
      /failed_precondition[\s\S]*DRAGON_STDIO/,
    );
    const client = await connect(t, gateway);
    assert.ok((await listNames(client)).every((name) => !name.startsWith('good')));
    const { message } = await client.callTool('good__echo', { text: 'hi' });
    assert.match(message!.error!.message, /DRAGON_STDIO/);
    const report = await gateway.manage('TestMcpServer', { server: { id } });
    assert.match(JSON.stringify(report), /DRAGON_STDIO/);
    assert.deepEqual(processes(), []);
  });
});
