import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';

const ADMIN = 'planted-admin-key-0123456789abcdef0123456789abcdef';
const SERVICE = 'dragon.turnstile.api.v1.TurnstileService';

const authenticated = { DRAGON_AUTH: 'api-key', DRAGON_HOST: '127.0.0.1', DRAGON_ADMIN_API_KEY: ADMIN };

async function manage(gateway: Gateway, method: string, body: object) {
  const response = await fetch(`${gateway.grpcUrl}/${SERVICE}/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${ADMIN}` },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: JSON.parse(await response.text()) };
}

describe('networks of servers', { timeout: 170_000 }, () => {
  let server: CountingServer;
  let byName: string;

  before(async () => {
    server = await CountingServer.start({ name: 'inside' });
    byName = server.url.replace('127.0.0.1', 'localhost');
  });

  after(() => server?.close());

  async function started(env: Record<string, string>, use: (gateway: Gateway) => Promise<void>) {
    const gateway = await Gateway.start({ env });
    try {
      await use(gateway);
    } finally {
      await gateway.stop();
    }
  }

  async function tested(gateway: Gateway, name: string, url: string) {
    const made = await manage(gateway, 'CreateMcpServer', { name, url });
    assert.equal(made.status, 200, JSON.stringify(made.body));
    return (await manage(gateway, 'TestMcpServer', { server: { name } })).body;
  }

  it('are public where there is authentication', async () => {
    await started({ ...authenticated, DRAGON_STDIO: 'off' }, async (gateway) => {
      for (const url of [server.url, server.url.replace('127.0.0.1', '0x7f.1'), 'https://[fd00::1]/mcp']) {
        const { status, body } = await manage(gateway, 'CreateMcpServer', { name: 'inside', url });
        assert.deepEqual([status, body.code], [400, 'invalid_argument'], url);
        assert.match(body.message, /^url: .*DRAGON_ALLOWED_NETWORKS/);
      }
      const report = await tested(gateway, 'named', byName);
      assert.match(JSON.stringify(report), /localhost leads to a loopback address.*DRAGON_ALLOWED_NETWORKS/);
      assert.equal(server.count('initialize'), 0);
      // A process could connect to anything.
      const stdio = await manage(gateway, 'CreateMcpServer', { name: 'tool', stdio: { command: 'true' } });
      assert.deepEqual([stdio.status, stdio.body.code], [400, 'failed_precondition']);
      assert.match(stdio.body.message, /DRAGON_STDIO/);
    });
  });

  it('are those that are listed', async () => {
    await started({ ...authenticated, DRAGON_ALLOWED_NETWORKS: 'loopback' }, async (gateway) => {
      const report = await tested(gateway, 'direct', server.url);
      assert.ok('success' in report, JSON.stringify(report));
      const metadata = { name: 'metadata', url: 'http://169.254.169.254/' };
      assert.equal((await manage(gateway, 'CreateMcpServer', metadata)).status, 400);
      assert.ok(server.count('initialize') > 0);
    });
  });
});
