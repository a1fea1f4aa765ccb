import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { Gateway } from '../support/gateway.ts';
import { countOf, inbox } from '../support/inbox.ts';
import { listNames } from '../support/lists.ts';
import { RawClient } from '../support/raw-client.ts';
import { textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';
import { startStrictServer } from './strict-server.ts';

describe('a strict server hears things in their order', () => {
  let gateway: Gateway;
  before(async () => {
    gateway = await Gateway.start();
  });
  after(() => gateway?.stop());

  for (const transport of ['url', 'sseUrl'] as const) {
    it(transport === 'url' ? 'on Streamable HTTP' : 'on HTTP+SSE', async (t: TestContext) => {
      const server = await startStrictServer();
      t.after(() => server.close());
      const id = await gateway.addServer({ name: 'strict', url: server[transport] });
      t.after(() => gateway.manage('DeleteMcpServer', { server: { id } }));

      for (const _time of [1, 2, 3]) {
        const client = new RawClient(gateway.mcpUrl);
        t.after(() => client.close());
        await client.initialize();
        // Nothing of it may be lost from here on: the first call opens the session with the server.
        const messages = inbox(await client.stream());
        assert.ok((await listNames(client)).includes('strict__tell'));
        const { message } = await client.callTool('strict__tell');
        assert.equal(textOf(message!), 'told');
        await until(() => countOf(messages, 'notifications/message') === 1, { what: 'the message' });
        await client.delete();
      }
      assert.deepEqual(server.early, []);
    });
  }

  it('when a client opens its stream after its first call', async (t) => {
    const server = await startStrictServer();
    t.after(() => server.close());
    await gateway.addServer({ name: 'late', url: server.url });
    const client = new RawClient(gateway.mcpUrl);
    t.after(() => client.close());
    await client.initialize();
    assert.equal(textOf((await client.callTool('late__tell')).message!), 'lost');
    const messages = inbox(await client.stream());
    assert.equal(textOf((await client.callTool('late__tell')).message!), 'told');
    await until(() => countOf(messages, 'notifications/message') === 1, { what: 'the message' });
    await client.delete();
  });
});
