import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Fixture, startFixture } from '../fixture/server.ts';
import { Gateway } from '../support/gateway.ts';
import { ModernClient } from '../support/modern-client.ts';
import { textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';
import { ABLE, ask, refused, retry } from './rounds.ts';

const TOOL = 'test_elicitation';

describe('a modern client that a legacy server asks something', () => {
  let gateway: Gateway;
  let fixture: Fixture;
  let client: ModernClient;

  before(async () => {
    fixture = await startFixture(0, 'legacy');
    gateway = await Gateway.start();
    await gateway.addServer({ name: 'old', url: fixture.url, toolPrefix: '' });
    client = new ModernClient(gateway.mcpUrl);
  });

  after(async () => {
    client?.close();
    await gateway?.stop();
    await fixture?.close();
  });

  it('answers with its next try, which gets the result', async () => {
    const asked = await ask(client, TOOL);
    assert.match(textOf(await retry(client, TOOL, asked)), /accept.*ada/);
  });

  it('may use what it was given once', async () => {
    const asked = await ask(client, TOOL);
    assert.ok((await retry(client, TOOL, asked)).result);
    refused(await retry(client, TOOL, asked));
  });

  it('is asked again for what it left out, under a new state', async () => {
    const asked = await ask(client, TOOL);
    const { result } = await retry(client, TOOL, { ...asked, keys: [] });
    assert.equal(result?.resultType, 'input_required');
    assert.deepEqual(Object.keys(result.inputRequests), asked.keys);
    assert.notEqual(result.requestState, asked.requestState);
    refused(await retry(client, TOOL, asked));
    const again = { requestState: result.requestState as string, keys: asked.keys };
    assert.match(textOf(await retry(client, TOOL, again)), /accept/);
  });

  it('is heard on what it was asked alone', async () => {
    const asked = await ask(client, TOOL);
    const more = { ...asked, keys: [...asked.keys, 'something-else'] };
    assert.match(textOf(await retry(client, TOOL, more)), /accept/);
  });

  it('is refused with a state that was changed, or is for another call', async () => {
    const asked = await ask(client, TOOL);
    const { requestState } = asked;
    const flipped = (at: number) =>
      requestState.slice(0, at) + (requestState[at] === 'A' ? 'B' : 'A') + requestState.slice(at + 1);
    for (const at of [0, 10, Math.floor(requestState.length / 2)])
      refused(await retry(client, TOOL, { ...asked, requestState: flipped(at) }));
    refused(await retry(client, TOOL, { ...asked, requestState: 'nonsense' }));
    refused(await retry(client, TOOL, asked, { message: 'Something else' }));
    assert.match(textOf(await retry(client, TOOL, asked)), /accept/);
    const scrape = await (await fetch(`${gateway.opsUrl}/metrics`)).text();
    assert.match(scrape, /dragon_request_states_refused_total\{.*why="tampered".*\} [1-9]/);
    assert.match(scrape, /dragon_request_states_refused_total\{.*why="other_request".*\} [1-9]/);
    assert.match(scrape, /dragon_request_states_refused_total\{.*why="unknown".*\} [1-9]/);
  });

  it('is not asked what it has not said it can do', async () => {
    const { message } = await client.callTool(TOOL, { message: 'Who?' }, { capabilities: {} });
    assert.ok(message!.result?.isError === true || message!.error !== undefined, JSON.stringify(message));
    assert.notEqual(message!.result?.resultType, 'input_required');
  });

  it("is asked, too, where the server does so on the session's own stream", async () => {
    const asked = await ask(client, 'test_asks_outside');
    assert.match(textOf(await retry(client, 'test_asks_outside', asked)), /outside: accept/);
  });

  it('is told what it lacks, where a call fails without', async () => {
    for (const capabilities of [{}, ABLE]) {
      const { status, message } = await client.callTool('test_missing_capability', {}, { capabilities });
      assert.deepEqual([status, message?.error?.code], [400, -32021], JSON.stringify(message));
      assert.deepEqual(message?.error?.data, { requiredCapabilities: { sampling: {} } });
    }
  });

  it('leaves nothing behind at the server when it does not come back', async () => {
    const short = await Gateway.start({ env: { DRAGON_PARK_TIMEOUT_MS: '500' } });
    const hasty = new ModernClient(short.mcpUrl);
    try {
      await short.addServer({ name: 'old', url: fixture.url, toolPrefix: '' });
      await hasty.callTool('test_simple_text', {}, { capabilities: {} });
      const before = fixture.sessions;
      const asked = await ask(hasty, TOOL);
      await until(() => fixture.sessions === before, { what: 'the end of the session', timeoutMs: 30_000 });
      refused(await retry(hasty, TOOL, asked));
      // Others go on.
      assert.ok((await hasty.callTool('test_simple_text', {}, { capabilities: ABLE })).message?.result);
    } finally {
      hasty.close();
      await short.stop();
    }
  });
});
