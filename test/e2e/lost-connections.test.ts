import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import { type PeerTool, text } from '../support/peer-tools.ts';
import { RawClient } from '../support/raw-client.ts';
import { ResumableServer } from '../support/resumable-http.ts';
import { textOf } from '../support/rpc.ts';
import { echoStdio } from '../support/stdio-commands.ts';
import { until } from '../support/wait.ts';

describe('a call whose connection to its server is lost', () => {
  let gateway: Gateway;
  let server: CountingServer;
  let resumable: ResumableServer;
  let client: RawClient;
  let folder: string;
  let runs = 0;
  let mayAnswer = false;

  /** Reports one step more with each run, and answers when it may. */
  const tool = (name: string, annotations?: object): PeerTool => ({
    name,
    ...(annotations && { annotations }),
    run: async ({ notify, meta, signal }) => {
      runs++;
      for (let progress = 1; progress <= runs; progress++)
        notify('notifications/progress', { progressToken: meta['progressToken'], progress });
      await until(() => mayAnswer || signal.aborted, { what: 'leave to answer', timeoutMs: 60_000 });
      return text(`run ${runs}`);
    },
  });

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lost-'));
    [gateway, server, resumable] = await Promise.all([
      Gateway.start(),
      CountingServer.start(),
      ResumableServer.start(),
    ]);
    const tools = [tool('reads', { readOnlyHint: true }), tool('plain')];
    server.peer.tools = tools;
    resumable.peer.tools = tools;
    await gateway.addServer({ name: 'http', url: server.url });
    await gateway.addServer({ name: 'resumable', url: resumable.url });
    await gateway.addServer({ name: 'process', stdio: echoStdio() });
    client = new RawClient(gateway.mcpUrl);
    assert.equal((await client.initialize()).status, 200);
  });

  after(async () => {
    mayAnswer = true;
    client?.close();
    await gateway?.stop();
    await Promise.all([server?.close(), resumable?.close()]);
    await rm(folder, { recursive: true, force: true });
  });

  /** Calls a tool, and loses its connection once it runs. */
  async function callAndLose(name: string, lose: () => void) {
    runs = 0;
    mayAnswer = false;
    const params = { name, arguments: {}, _meta: { progressToken: 'p' } };
    const progress: unknown[] = [];
    const answer = client.request('tools/call', params, {
      onMessage: ({ params }) => void progress.push(params?.['progress']),
    });
    await until(() => progress.length === 1, { what: 'the first step' });
    lose();
    if (name !== 'http__plain')
      await until(() => runs === (name === 'http__reads' ? 2 : 1), { what: 'the next' });
    mayAnswer = true;
    return { ...(await answer), progress };
  }

  it('is run again where its tool only reads, and has told no step twice', async () => {
    const { message, progress } = await callAndLose('http__reads', () => server.dropConnections());
    assert.equal(textOf(message!), 'run 2');
    assert.deepEqual(progress, [1, 2]);
  });

  it('is not run again otherwise: nobody knows what came of it', async () => {
    const { message } = await callAndLose('http__plain', () => server.dropConnections());
    assert.match(message!.error!.message, /"http" .*; the outcome of the call is unknown$/);
    assert.equal(runs, 1);
  });

  it('is resumed where the server can, and run once', async () => {
    for (const name of ['resumable__reads', 'resumable__plain']) {
      const { message } = await callAndLose(name, () => resumable.cut());
      assert.equal(textOf(message!), 'run 1');
    }
  });

  it('is run again in another process, where its own has ended', async () => {
    const file = join(folder, 'once');
    const { message } = await client.callTool('process__exit_once', { file });
    assert.match(textOf(message!), /^\d+$/);
    const plain = await client.callTool('process__exit');
    assert.match(plain.message!.error!.message, /exited with code 1.*; the outcome of the call is unknown$/);
  });
});
