import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { dragonFor } from '../support/cli.ts';
import { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import { RawClient } from '../support/raw-client.ts';
import { textOf } from '../support/rpc.ts';

const newKey = () => randomBytes(32).toString('base64');

test('a server whose key is missing is shown with the reason, left alone, and whole again with its key', async (t) => {
  const header = { name: 'x-api-key', value: 'secret-value' };
  const server = await CountingServer.start({ requiredHeader: header });
  t.after(() => server.close());
  const dataDir = await mkdtemp(join(tmpdir(), 'dragon-key-'));
  t.after(() => rm(dataDir, { recursive: true, force: true }));
  const key = newKey();
  const name = { server: { name: 'api' } };

  async function withKey(encryptionKey: string, work: (gateway: Gateway) => Promise<void>): Promise<void> {
    const gateway = await Gateway.start({ dataDir, env: { DRAGON_ENCRYPTION_KEY: encryptionKey } });
    try {
      await work(gateway);
    } finally {
      await gateway.stop();
    }
  }

  await withKey(key, async (gateway) => {
    await gateway.addServer({ name: 'api', url: server.url, headers: { [header.name]: header.value } });
  });

  const asked = server.seen.length;
  await withKey(newKey(), async (gateway) => {
    const { server: shown } = (await gateway.manage('GetMcpServer', name)) as {
      server: { enabled?: boolean; health: Record<string, string> };
    };
    assert.ok(!shown.enabled);
    assert.equal(shown.health['state'], 'STATE_FAILING');
    assert.match(shown.health['error']!, /DRAGON_ENCRYPTION_KEY/);
    const { failure } = await gateway.manage('TestMcpServer', name);
    assert.match((failure as { error: string }).error, /DRAGON_ENCRYPTION_KEY/);
    const refused = /failed_precondition.*DRAGON_ENCRYPTION_KEY/;
    await assert.rejects(gateway.manage('RefreshMcpServer', name), refused);
    const moved = { ...name, changes: { url: `${server.url}?moved` } };
    await assert.rejects(gateway.manage('UpdateMcpServer', moved), refused);
    const run = dragonFor(gateway);
    assert.match((await run(['server', 'list'])).out, /^api +failing: The secrets/m);
    assert.match((await run(['server', 'get', 'api'])).out, /^health +failing: .*DRAGON_ENCRYPTION_KEY/m);
    assert.equal(server.seen.length, asked, 'it was not asked without its secrets');
  });

  await withKey(key, async (gateway) => {
    const client = new RawClient(gateway.mcpUrl);
    t.after(() => client.close());
    await client.initialize();
    assert.equal(textOf((await client.callTool('api__echo', { text: 'hi' })).message!), 'hi');
  });
});
