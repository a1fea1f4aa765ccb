import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import { echoStdio } from '../support/stdio-commands.ts';

describe('asking a server on an operator’s behalf', () => {
  let gateway: Gateway;

  before(async () => {
    gateway = await Gateway.start();
  });

  after(async () => {
    await gateway?.stop();
  });

  it('tells what it has now, though it has said nothing of a change', async (t) => {
    const server = await CountingServer.start();
    t.after(() => server.close());
    await gateway.addServer({ name: 'quiet', url: server.url });
    const name = { server: { name: 'quiet' } };
    const before = await gateway.manage('RefreshMcpServer', name);
    assert.equal(before['toolCount'], server.peer.tools.length);
    for (let n = 1; n <= 5; n++) {
      server.peer.tools = [...server.peer.tools, { name: `extra${n}` }];
      const { toolCount } = await gateway.manage('RefreshMcpServer', name);
      assert.equal(toolCount, server.peer.tools.length);
    }
  });

  it('fails where the server does, and what it had stays listed', async () => {
    const server = await CountingServer.start();
    await gateway.addServer({ name: 'mortal', url: server.url });
    const name = { server: { name: 'mortal' } };
    const { toolCount } = await gateway.manage('RefreshMcpServer', name);
    await server.close();
    await assert.rejects(gateway.manage('RefreshMcpServer', name), /unavailable.*mortal/);
    const { totalSize } = await gateway.manage('ListTools', name);
    assert.equal(totalSize, toolCount);
    const { server: shown } = await gateway.manage('GetMcpServer', name);
    assert.equal((shown as { health: { state: string } }).health.state, 'STATE_FAILING');
  });

  it('tests of one process at the same time do not end each other’s', async () => {
    await gateway.addServer({ name: 'proc', stdio: echoStdio() });
    const reports = await Promise.all(
      Array.from({ length: 3 }, () => gateway.manage('TestMcpServer', { server: { name: 'proc' } })),
    );
    for (const { failure, success } of reports) assert.ok(success, JSON.stringify(failure));
  });
});
