import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import { countOf } from '../support/inbox.ts';
import { RawClient } from '../support/raw-client.ts';
import { textOf } from '../support/rpc.ts';
import { echoStdio } from '../support/stdio-commands.ts';
import { until } from '../support/wait.ts';

/** Nobody waits so long here: a call that ends was ended by another limit. */
const NEVER = '3600s';

describe('time limits of calls', () => {
  let gateway: Gateway;
  let server: CountingServer;

  before(async () => {
    server = await CountingServer.start();
    gateway = await Gateway.start();
    const over = { url: server.url, toolTimeouts: { hold: { idle: '0.2s' } } };
    await gateway.manage('CreateMcpServer', { name: 'tool', timeouts: { idle: NEVER }, ...over });
    const limits = { timeouts: { idle: '2s', total: NEVER }, toolTimeouts: { slow: { total: NEVER } } };
    await gateway.manage('CreateMcpServer', { name: 'server', url: server.url, ...limits });
    const most = { timeouts: { total: '0.5s' }, toolTimeouts: { slow: { idle: '0.4s' } } };
    await gateway.manage('CreateMcpServer', { name: 'most', url: server.url, ...most });
    const stdio = echoStdio('proc');
    await gateway.manage('CreateMcpServer', {
      name: 'proc',
      stdio,
      toolTimeouts: { hold: { idle: '0.2s' } },
    });
  });

  after(async () => {
    await gateway?.stop();
    await server?.close();
  });

  async function session(t: TestContext): Promise<RawClient> {
    const client = new RawClient(gateway.mcpUrl);
    t.after(async () => {
      await client.delete();
      client.close();
    });
    assert.equal((await client.initialize()).status, 200);
    return client;
  }

  /** Calls a tool with a progress token. */
  const withProgress = (client: RawClient, name: string, args: Record<string, unknown>) =>
    client.request('tools/call', { name, arguments: args, _meta: { progressToken: 'p' } });

  it("end a call whose server says nothing, with the server's name, and tell the server", async (t) => {
    const client = await session(t);
    const { cancelled } = server.peer;
    const { message } = await client.callTool('tool__hold');
    assert.equal(message!.error!.message, 'Server "tool" did not answer within 200 ms');
    await until(() => server.peer.cancelled === cancelled + 1, { what: 'the cancellation' });
    assert.match(String(server.last('notifications/cancelled')!.message!.params!['reason']), /200 ms/);
    assert.equal(textOf((await client.callTool('tool__echo', { text: 'hi' })).message!), 'hi');
  });

  it('are those of the tool too where it is called by exec_tool', async (t) => {
    const client = await session(t);
    const { message } = await client.callTool('exec_tool', { server: 'tool', tool: 'hold' });
    assert.equal(message!.error!.message, 'Server "tool" did not answer within 200 ms');
  });

  it('hold for a process, whose other calls go on', async (t) => {
    const client = await session(t);
    const ended = client.callTool('proc__hold', {}, { id: 'ended' });
    const { message } = await ended;
    assert.equal(message!.error!.message, 'Server "proc" did not answer within 200 ms');
    const calls = async () => (await client.callTool('proc__calls')).message!.result.structuredContent;
    await until(async () => (await calls()).cancelled === 1, { what: 'the cancellation' });
  });

  it('are put off by progress, and by nothing else', async (t) => {
    const client = await session(t);
    const args = { steps: 26, stepMs: 100 };
    const [reporting, silent] = await Promise.all([
      withProgress(client, 'server__slow', args),
      client.callTool('server__slow', args),
    ]);
    assert.equal(textOf(reporting.message!), '26 steps');
    assert.equal(countOf(reporting.messages, 'notifications/progress'), 26);
    assert.equal(silent.message!.error!.message, 'Server "server" did not answer within 2000 ms');
  });

  it('end a call at its maximum, whatever its progress', async (t) => {
    const client = await session(t);
    const { cancelled } = server.peer;
    const answer = await withProgress(client, 'most__slow', { steps: 1_000_000, stepMs: 20 });
    assert.equal(
      answer.message!.error!.message,
      'Server "most" took longer than 500 ms, the most that a call may take',
    );
    assert.ok(countOf(answer.messages, 'notifications/progress') > 0);
    await until(() => server.peer.cancelled === cancelled + 1, { what: 'the cancellation' });
  });

  it("follow a change, and go back to the gateway's", async (t) => {
    const client = await session(t);
    const name = { server: { name: 'most' } };
    await gateway.manage('UpdateMcpServer', { ...name, changes: { timeouts: { idle: '0.123s' } } });
    const { message } = await client.callTool('most__hold');
    assert.equal(message!.error!.message, 'Server "most" did not answer within 123 ms');
    const updateMask = 'timeouts,toolTimeouts';
    const { server: shown } = await gateway.manage('UpdateMcpServer', { ...name, updateMask });
    assert.ok(!('timeouts' in (shown as object)) && !('toolTimeouts' in (shown as object)));
    const held = client.callTool('most__hold', {}, { id: 'held' });
    await until(() => server.peer.held === 1, { what: 'the call to be held' });
    server.peer.release();
    assert.equal(textOf((await held).message!), 'released');
  });
});
