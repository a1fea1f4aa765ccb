import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { after, before, describe, it, type TestContext } from 'node:test';
import { dragonFor } from '../support/cli.ts';
import { CountingServer, type SeenRequest } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import { RawClient } from '../support/raw-client.ts';
import { textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';

const FAILURES = 3;

describe('a server that keeps failing', () => {
  let gateway: Gateway;
  let shaky: CountingServer;
  let steady: CountingServer;
  let down = false;

  /** Its lists work, its calls do not, as with a server that has lost its own database. */
  function failing({ message }: SeenRequest, response: ServerResponse): boolean {
    if (!down || message?.method !== 'tools/call') return false;
    response.writeHead(503, { 'content-type': 'text/plain' }).end('no database');
    return true;
  }

  before(async () => {
    [shaky, steady] = await Promise.all([
      CountingServer.start({ intercept: failing }),
      CountingServer.start(),
    ]);
    gateway = await Gateway.start({
      env: { DRAGON_BREAKER_FAILURES: String(FAILURES), DRAGON_BREAKER_PAUSE_MS: '1000' },
    });
    await gateway.addServer({ name: 'shaky', url: shaky.url });
    await gateway.addServer({ name: 'steady', url: steady.url });
  });

  after(async () => {
    await gateway?.stop();
    await Promise.all([shaky?.close(), steady?.close()]);
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

  const callsSeen = () => shaky.seen.filter(({ message }) => message?.method === 'tools/call').length;
  const callShaky = async (client: RawClient) =>
    (await client.callTool('shaky__echo', { text: 'hi' })).message!;

  async function breaker(name: string): Promise<unknown> {
    const { server } = await gateway.manage('GetMcpServer', { server: { name } });
    return (server as { health: { breaker?: string } }).health.breaker;
  }

  const metrics = async () => (await fetch(`${gateway.opsUrl}/metrics`)).text();

  it('is left alone, while others go on, until it has come back', async (t) => {
    const client = await session(t);
    assert.equal(textOf(await callShaky(client)), 'hi');
    assert.equal(await breaker('shaky'), 'BREAKER_CLOSED');
    assert.match(await metrics(), /^dragon_downstream_breakers_not_closed 0$/m);

    down = true;
    const before = callsSeen();
    for (let n = 0; n < FAILURES; n++) {
      assert.equal(
        (await callShaky(client)).error!.message,
        'Server "shaky" answered HTTP 503: "no database"',
      );
    }
    assert.equal(callsSeen(), before + FAILURES);

    // A trial after each pause fails and makes the next pause longer, so that this is met however slow the machine is.
    await until(
      async () => {
        const seen = callsSeen();
        const { error } = await callShaky(client);
        return /"shaky" is left alone for \d+ s .*no database/.test(error!.message) && callsSeen() === seen;
      },
      { what: 'a call that is refused without asking the server' },
    );
    // So it is for another session too, and for a call by exec_tool.
    const other = await session(t);
    await until(
      async () => {
        const call = { server: 'shaky', tool: 'echo', arguments: { text: 'hi' } };
        const { message } = await other.callTool('exec_tool', call);
        return /"shaky" is left alone/.test(message!.error!.message);
      },
      { what: 'a refused call of another session' },
    );
    assert.equal(textOf((await client.callTool('steady__echo', { text: 'hi' })).message!), 'hi');
    assert.equal(await breaker('steady'), 'BREAKER_CLOSED');
    await until(async () => (await callShaky(client)) && (await breaker('shaky')) === 'BREAKER_OPEN', {
      what: 'the breaker to be shown as open',
    });
    await until(
      async () => {
        await callShaky(client);
        const text = await metrics();
        return (
          /^dragon_downstream_breakers_not_closed 1$/m.test(text) &&
          /^dragon_downstream_breaker_state\{server="shaky"\} 2$/m.test(text) &&
          /^dragon_downstream_breaker_state\{server="steady"\} 0$/m.test(text)
        );
      },
      { what: 'the metrics' },
    );
    const run = dragonFor(gateway);
    await until(
      async () => {
        await callShaky(client);
        const [list, shown] = await Promise.all([run(['server', 'list']), run(['server', 'get', 'shaky'])]);
        return /^shaky +breaker open, ok /m.test(list.out) && /^breaker +open: /m.test(shown.out);
      },
      { what: 'the command to show it' },
    );

    down = false;
    await until(async () => (await callShaky(client)).result !== undefined, {
      what: 'a call to go through',
      timeoutMs: 90_000,
    });
    assert.equal(await breaker('shaky'), 'BREAKER_CLOSED');
    assert.equal(textOf(await callShaky(client)), 'hi');
    assert.match(await metrics(), /^dragon_downstream_breakers_not_closed 0$/m);
  });

  it('may be tested at any time, which neither opens a breaker nor makes a series', async () => {
    const { id } = (await gateway.manage('CreateMcpServer', { name: 'gone', url: 'http://127.0.0.1:1/mcp' }))[
      'server'
    ] as { id: string };
    for (let n = 0; n < FAILURES + 1; n++) {
      const { failure } = await gateway.manage('TestMcpServer', { server: { id } });
      assert.match((failure as { error: string }).error, /"gone" refused the connection/);
    }
    assert.equal(await breaker('gone'), 'BREAKER_CLOSED');
    const { success } = await gateway.manage('TestMcpServer', { server: { name: 'steady' } });
    assert.ok(success);
    const text = await metrics();
    assert.match(text, /^dragon_downstream_breakers_not_closed 0$/m);
    assert.doesNotMatch(text, /server="gone"|#test/);
  });

  it('is tried at once after it was changed', async (t) => {
    const client = await session(t);
    down = true;
    await until(async () => /left alone/.test((await callShaky(client)).error!.message), {
      what: 'the breaker to open',
    });
    down = false;
    await gateway.manage('UpdateMcpServer', {
      server: { name: 'shaky' },
      changes: { timeouts: { idle: '5s' } },
    });
    assert.equal(textOf(await callShaky(client)), 'hi');
  });
});
