import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Gateway } from '../support/gateway.ts';
import { FOREIGN_CLIENTS } from './clients.ts';
import { type RealHttpServer, realServer, startEverything } from './real-servers.ts';

/** Real servers behind one gateway, which names their tools and prompts by their prefixes. */
describe('clients of others’ making use many real servers at once', () => {
  let gateway: Gateway;
  let http: RealHttpServer;
  let folder: string;
  let file: string;
  /** Of the second server that lists the same URIs, by its id. */
  let aliasOf: (uri: string) => string;

  before(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'dragon-peers-')));
    file = join(folder, 'files', 'note.txt');
    await mkdir(join(folder, 'files'));
    await writeFile(file, 'A note.\n');
    http = await startEverything('streamableHttp');
    gateway = await Gateway.start();
    await gateway.addServer({ name: 'http', url: http.url });
    const id = await gateway.addServer({ name: 'stdio', stdio: realServer('everything') });
    aliasOf = (uri) => `dragon://${id}/${uri}`;
    await gateway.addServer({ name: 'files', stdio: realServer('filesystem', join(folder, 'files')) });
    const env = { MEMORY_FILE_PATH: join(folder, 'memory.json') };
    await gateway.addServer({ name: 'memory', stdio: { ...realServer('memory'), env } });
  });

  after(async () => {
    await gateway?.stop();
    await http?.close();
    await rm(folder, { recursive: true, force: true });
  });

  for (const [name, connect] of Object.entries(FOREIGN_CLIENTS)) {
    it(name, async (t) => {
      const client = await connect(gateway.mcpUrl, folder);
      t.after(() => client.close());
      const text = (text: string) => ({ type: 'text', text });

      const tools = await client.tools();
      for (const tool of ['http__get-sum', 'stdio__get-sum', 'files__read_text_file', 'memory__read_graph']) {
        assert.ok(tools.includes(tool), tool);
      }
      for (const server of ['http', 'stdio']) {
        const { content } = await answer(client.callTool(`${server}__echo`, { message: server }));
        assert.deepEqual(content, [text(`Echo: ${server}`)]);
      }
      const read = await answer(client.callTool('files__read_text_file', { path: file }));
      assert.deepEqual(read['content'], [text('A note.\n')]);
      assert.deepEqual(read['structuredContent'], { content: 'A note.\n' });
      const entities = [{ name, entityType: 'client', observations: ['It called.'] }];
      const made = await answer(client.callTool('memory__create_entities', { entities }));
      assert.deepEqual(made['structuredContent'], { entities });
      const failed = await answer(client.callTool('files__read_text_file', { path: '/etc/hostname' }));
      assert.equal(failed['isError'], true);

      const prompts = await client.prompts();
      for (const server of ['http', 'stdio']) {
        assert.ok(prompts.includes(`${server}__args-prompt`), server);
        const { messages } = await answer(client.getPrompt(`${server}__args-prompt`, { city: 'Ulm' }));
        assert.deepEqual(messages, [{ role: 'user', content: text("What's weather in Ulm?") }]);
      }

      const uri = 'demo://resource/static/document/features.md';
      const resources = await client.resources();
      for (const each of [uri, aliasOf(uri)]) {
        assert.ok(resources.includes(each), each);
        const { contents } = await answer(client.readResource(each));
        const [content, ...more] = contents as Record<string, string>[];
        assert.deepEqual(more, []);
        assert.deepEqual([content?.['uri'], content?.['mimeType']], [each, 'text/markdown']);
        assert.match(content?.['text'] ?? '', /^# Everything Server/);
      }
    });
  }
});

async function answer(promise: Promise<unknown>): Promise<Record<string, unknown>> {
  return (await promise) as Record<string, unknown>;
}
