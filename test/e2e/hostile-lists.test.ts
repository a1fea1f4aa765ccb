import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import {
  type Hostile,
  HTTP_ANSWERS,
  type HttpBehaviour,
  SPECIAL_BEHAVIOURS,
  startHostile,
} from '../support/hostile-http.ts';
import { listNames } from '../support/lists.ts';
import { forgetPeak, peakMemory } from '../support/memory.ts';
import { RawClient } from '../support/raw-client.ts';
import { textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';

const MIB = 1024 * 1024;

const LIMITS = {
  DRAGON_LIST_TIMEOUT_MS: '8000',
  DRAGON_MAX_DOWNSTREAM_MESSAGE_BYTES: String(16 * MIB),
};

/** Above what it takes to read so many large answers at a time, far below what they would take without limits. */
const MAX_GROWTH = 1024 * MIB;

describe('gateway with many bad servers', () => {
  let gateway: Gateway;
  let good: CountingServer;
  let client: RawClient;
  let memoryBefore: number;
  const servers = new Map<string, { readonly hostile: Hostile; readonly id: string }>();

  /** Every wrong answer to a list and to the handshake, and every wrong list and handshake. */
  const CASES: readonly (readonly [HttpBehaviour, string | undefined])[] = [
    ...HTTP_ANSWERS.map((behaviour) => [behaviour, 'tools/list'] as const),
    ...HTTP_ANSWERS.map((behaviour) => [behaviour, 'initialize'] as const),
    ...SPECIAL_BEHAVIOURS.map((behaviour) => [behaviour, undefined] as const),
  ];
  const nameOf = (behaviour: string, on: string | undefined) =>
    on === undefined ? behaviour : `${behaviour}--${on.replace('/', '-')}`;

  before(async () => {
    gateway = await Gateway.start({ env: LIMITS });
    memoryBefore = await forgetPeak(gateway.process.pid!);
    good = await CountingServer.start({ name: 'good' });
    for (const [behaviour, on] of CASES) {
      const hostile = await startHostile(behaviour, on === undefined ? {} : { on });
      const name = nameOf(behaviour, on);
      servers.set(name, { hostile, id: await gateway.addServer({ name, url: hostile.url }) });
    }
    await gateway.addServer({ name: 'good', url: good.url });
    client = new RawClient(gateway.mcpUrl);
    await client.initialize();
  });

  after(async () => {
    client?.close();
    await gateway?.stop();
    await Promise.all([good?.close(), ...[...servers.values()].map(({ hostile }) => hostile.close())]);
  });

  /** Whose lists are fine after all, or as far as they go. */
  const LISTED = new Set(['bad-tools', 'circular-pages']);

  it('lists what the good one has, and nothing of the bad ones', async () => {
    const prefixes = new Set((await listNames(client)).map((name) => name.split('__')[0]));
    assert.ok(prefixes.has('good'));
    for (const name of servers.keys()) {
      if (!LISTED.has(name)) assert.ok(!prefixes.has(name), name);
    }
    assert.deepEqual(await listNames(client, 'resources/list'), []);
    assert.equal(textOf((await client.callTool('good__echo', { text: 'fine' })).message!), 'fine');
  });

  for (const [behaviour, on] of CASES) {
    const name = nameOf(behaviour, on);
    if (LISTED.has(name)) continue;
    it(`says what is wrong with each: ${behaviour} to ${on ?? 'what it is about'}`, async () => {
      const { message } = await client.callTool(`${name}__echo`, { text: 'hi' }, { id: name });
      assert.equal(message!.id, name);
      assert.match(message!.error?.message ?? JSON.stringify(message), new RegExp(`^Server "${name}"`));
      // A server that hangs is known to fail when its time for a list is over.
      const health = await until(
        async () => {
          const { server } = await gateway.manage('GetMcpServer', { server: { id: servers.get(name)!.id } });
          const { health } = server as { health: { state: string; error: string } };
          return health.state === 'STATE_FAILING' && health;
        },
        { what: `the failure of ${name}` },
      );
      assert.match(health.error, new RegExp(`^Server "${name}"`));
    });
  }

  it('tests each without harm', async () => {
    for (const name of [
      'html--tools-list',
      'endless-json--tools-list',
      'endless-line--initialize',
      'deep-json--initialize',
    ]) {
      const report = await gateway.manage('TestMcpServer', { server: { id: servers.get(name)!.id } });
      assert.match(JSON.stringify(report), new RegExp(`Server \\\\"${name}`), JSON.stringify(report));
    }
  });

  it('shows of bad tools what clients can take', async (t) => {
    const bad = (await listNames(client)).filter((name) => name.startsWith('bad-tools__'));
    for (const name of bad) assert.match(name, /^[A-Za-z0-9_-]{1,64}$/);
    assert.equal(new Set(bad).size, bad.length);
    assert.ok(bad.includes('bad-tools__echo'));
    assert.equal(bad.length, 9, bad.join());
    for (const name of bad) {
      const { message } = await client.callTool(name, { text: 'x' });
      const own = servers.get('bad-tools')!.hostile.server.last('tools/call')!.message!.params!['name'];
      assert.equal(typeof own, 'string');
      assert.match(JSON.stringify(message), /Unknown tool|"x"/, 'the server’s own answer');
    }
    // A client that checks what it gets must not lose the good tools over the bad ones.
    const sdk = new Client({ name: 'sdk', version: '1' });
    t.after(() => sdk.close());
    await sdk.connect(new StreamableHTTPClientTransport(new URL(gateway.mcpUrl)));
    const { tools } = await sdk.listTools();
    assert.ok(tools.some(({ name }) => name === 'good__echo'));
  });

  it('survives them all, without a trace in its memory', async () => {
    const peak = await peakMemory(gateway.process.pid!);
    assert.ok(gateway.isRunning);
    assert.ok(peak - memoryBefore < MAX_GROWTH, `grew by ${Math.round((peak - memoryBefore) / MIB)} MiB`);
  });

  it('takes a server back that has come to its senses', async () => {
    for (const name of ['html--tools-list', 'html--initialize']) {
      const { hostile, id } = servers.get(name)!;
      hostile.behave('well');
      await gateway.manage('RefreshMcpServer', { server: { id } });
      assert.equal(textOf((await client.callTool(`${name}__echo`, { text: 'well' })).message!), 'well');
      assert.ok((await listNames(client)).includes(`${name}__echo`));
    }
  });
});
