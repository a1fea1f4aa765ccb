import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { type Era, type Fixture, startFixture } from '../fixture/server.ts';
import { Gateway } from '../support/gateway.ts';
import { echoStdio } from '../support/stdio-commands.ts';
import { until } from '../support/wait.ts';

/** The official client in the modern era, at servers of both. */
for (const era of ['modern', 'legacy'] satisfies Era[]) {
  describe(`the official client in the modern era, at a ${era} server`, () => {
    let fixture: Fixture;
    let gateway: Gateway;
    let client: Client;
    const changed: string[] = [];

    before(async () => {
      fixture = await startFixture(0, era);
      gateway = await Gateway.start();
      await gateway.addServer({ name: 'f', url: fixture.url });
      await gateway.addServer({ name: 'proc', stdio: echoStdio() });
      client = new Client(
        { name: 'official', version: '1' },
        { versionNegotiation: { mode: { pin: '2026-07-28' } } },
      );
      client.setNotificationHandler('notifications/tools/list_changed', () => {
        changed.push('tools');
      });
      client.setNotificationHandler('notifications/resources/updated', ({ params }) => {
        changed.push(params.uri);
      });
      await client.connect(new StreamableHTTPClientTransport(new URL(gateway.mcpUrl)));
    });

    after(async () => {
      await client?.close();
      await gateway?.stop();
      await fixture?.close();
    });

    const textOf = (result: unknown) =>
      (result as { content: { type: string; text: string }[] }).content.map(({ text }) => text).join('');

    it('lists and calls tools: those of HTTP servers, of processes, and the gateway’s own', async () => {
      const { tools } = await client.listTools();
      const names = tools.map(({ name }) => name);
      for (const name of ['f__test_simple_text', 'proc__echo', 'echo', 'list_mcp_servers'])
        assert.ok(names.includes(name), name);
      const calls = await Promise.all(
        Array.from({ length: 10 }, (_, n) =>
          client.callTool({ name: 'proc__echo', arguments: { text: `n${n}` } }),
        ),
      );
      assert.deepEqual(
        calls.map(textOf),
        Array.from({ length: 10 }, (_, n) => `n${n}`),
      );
      assert.equal(textOf(await client.callTool({ name: 'echo', arguments: { message: 'own' } })), 'own');
      assert.match(textOf(await client.callTool({ name: 'f__test_simple_text' })), /simple text/);
      const executed = await client.callTool({
        name: 'exec_tool',
        arguments: { server: 'proc', tool: 'echo', arguments: { text: 'executed' } },
      });
      assert.equal(textOf(executed), 'executed');
      await assert.rejects(client.callTool({ name: 'f__none' }), /Unknown tool: f__none/);
    });

    it('gets prompts, resources and completions', async () => {
      const { prompts } = await client.listPrompts();
      assert.ok(prompts.some(({ name }) => name === 'f__test_simple_prompt'));
      const { messages } = await client.getPrompt({ name: 'f__test_simple_prompt' });
      assert.ok(messages.length > 0);
      const { resources } = await client.listResources();
      assert.ok(resources.some(({ uri }) => uri === 'test://static-text'));
      const { contents } = await client.readResource({ uri: 'test://static-text' });
      assert.equal(contents[0]?.uri, 'test://static-text');
      const templated = await client.readResource({ uri: 'test://template/42/data' });
      assert.match(JSON.stringify(templated.contents), /Data for ID: 42/);
      await assert.rejects(client.readResource({ uri: 'test://none' }), ({ code }: { code: number }) => {
        assert.equal(code, -32602);
        return true;
      });
      const { completion } = await client.complete({
        ref: { type: 'ref/prompt', name: 'f__test_prompt_with_arguments' },
        argument: { name: 'arg1', value: '' },
      });
      assert.ok(Array.isArray(completion.values));
    });

    it('hears of progress', async () => {
      const progress: number[] = [];
      await client.callTool(
        { name: 'f__test_tool_with_progress' },
        { onprogress: ({ progress: done }) => progress.push(done) },
      );
      assert.deepEqual(progress, [0, 50, 100]);
    });

    it('listens to changes of lists and resources', async () => {
      const subscription = await client.listen({
        toolsListChanged: true,
        resourceSubscriptions: ['test://watched-resource', 'proc://nothing'],
      });
      await gateway.addServer({ name: 'extra', stdio: echoStdio() });
      await until(() => changed.includes('tools'), { what: 'the news that the tools have changed' });
      await subscription.close();
    });
  });
}
