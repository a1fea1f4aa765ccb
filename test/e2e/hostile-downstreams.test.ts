import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import { SSE_HEADERS, sse } from '../support/hostile-answers.ts';
import {
  type Hostile,
  HTTP_ANSWERS,
  type HttpBehaviour,
  SPECIAL_BEHAVIOURS,
  startHostile,
} from '../support/hostile-http.ts';
import { inbox } from '../support/inbox.ts';
import { listNames } from '../support/lists.ts';
import { forgetPeak, peakMemory } from '../support/memory.ts';
import { text } from '../support/peer-tools.ts';
import { type RawAnswer, RawClient } from '../support/raw-client.ts';
import { type Message, request, result, textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';

const MIB = 1024 * 1024;
const MAX_MESSAGE = 16 * MIB;

const LIMITS = {
  DRAGON_LIST_TIMEOUT_MS: '3000',
  DRAGON_CALL_TIMEOUT_MS: '5000',
  DRAGON_MAX_DOWNSTREAM_MESSAGE_BYTES: String(MAX_MESSAGE),
};

/** Resolves when a count has stopped to rise. */
async function untilStill(count: () => number): Promise<void> {
  for (let still = 0, last = -1; still < 30; ) {
    await delay(10);
    still = count() === last ? still + 1 : 0;
    last = count();
  }
}

/** Far above what a gateway needs here, far below what one without limits would take. */
const MAX_GROWTH = 400 * MIB;

describe('gateway with one bad server', () => {
  let gateway: Gateway;
  let good: CountingServer;
  let bad: Hostile;
  let client: RawClient;
  let memoryBefore: number;

  before(async () => {
    good = await CountingServer.start({ name: 'good' });
    bad = await startHostile('well');
    gateway = await Gateway.start({ env: LIMITS });
    await gateway.addServer({ name: 'good', url: good.url });
    await gateway.addServer({ name: 'bad', url: bad.url });
    client = new RawClient(gateway.mcpUrl);
    await client.initialize();
    assert.ok((await listNames(client)).includes('bad__echo'));
    memoryBefore = await forgetPeak(gateway.process.pid!);
  });

  after(async () => {
    client?.close();
    await gateway?.stop();
    await Promise.all([good?.close(), bad?.close()]);
  });

  /** What comes of each behaviour that is no error of the gateway's. */
  const PASSES: Partial<Record<HttpBehaviour, (answer: RawAnswer) => void>> = {
    huge: ({ message }) => assert.equal(textOf(message!).length, 10 * MIB),
    'huge-in-sse': ({ message }) => assert.equal(textOf(message!).length, 10 * MIB),
    'slow-bytes': ({ message }) => assert.equal(textOf(message!), 'slow'),
    duplicate: ({ message }) => assert.equal(textOf(message!), 'first'),
    'proto-keys': ({ text: body }) => assert.match(body, /"__proto__":\{"polluted":true\},"constructor"/),
    'deep-json': ({ text: body }) => assert.ok(body.includes('['.repeat(100_000))),
    'internal-error': ({ message }) =>
      assert.deepEqual(message!.error, { code: -32603, message: 'Out of order' }),
  };

  for (const behaviour of HTTP_ANSWERS) {
    it(`gives its caller one answer: ${behaviour}`, async (t) => {
      bad.behave(behaviour);
      t.after(() => bad.behave('well'));
      const call = client.callTool('bad__echo', { text: 'hi' }, { id: behaviour });
      const meanwhile = await client.callTool('good__echo', { text: 'fine' });
      assert.equal(textOf(meanwhile.message!), 'fine');

      if (behaviour === 'endless-json') {
        // Half an answer was out when it became too much: only a broken connection can say so.
        await assert.rejects(call);
      } else {
        const answer = await call;
        assert.equal(answer.status, 200);
        assert.equal(answer.messages.length, 1, 'one answer');
        assert.equal(answer.message!.id, behaviour);
        const passes = PASSES[behaviour];
        if (passes !== undefined) passes(answer);
        else assert.match(answer.message!.error?.message ?? answer.text.slice(0, 500), /^Server "bad" /);
      }
      bad.behave('well');
      assert.equal(textOf((await client.callTool('bad__echo', { text: 'again' })).message!), 'again');
    });
  }

  it('is not flooded by notifications of changes', async (t) => {
    bad.behave('flood');
    t.after(() => bad.behave('well'));
    bad.server.dropConnections();
    const messages = inbox(await client.stream());
    const seen = bad.server.count('tools/list');
    await until(() => bad.server.count('tools/list') > seen + 3, { what: 'the lists to be asked for again' });
    for (let call = 0; call < 50; call++) {
      assert.equal(textOf((await client.callTool('good__echo', { text: 'fine' })).message!), 'fine');
    }
    assert.equal(textOf((await client.callTool('bad__echo', { text: 'hi' })).message!), 'hi');
    assert.deepEqual(messages, [], 'no list has changed');
  });

  it('keeps nobody from a resource that it might have had', async (t) => {
    bad.behave('hang', 'resources/read');
    t.after(() => bad.behave('well'));
    const asked = bad.server.count('resources/read');
    const seen = () => bad.server.last('resources/read')?.message?.params?.['uri'];

    const cancelled = client.request('resources/read', { uri: 'unlisted://cancelled' }, { id: 'read' });
    await until(() => seen() === 'unlisted://cancelled', { what: 'the bad server to be asked' });
    await client.notify('notifications/cancelled', { requestId: 'read' });
    assert.match((await cancelled).message!.error!.message, /Cancelled/);

    const last = await CountingServer.start({
      name: 'last',
      resourceTemplates: [{ uriTemplate: 'last://{x}', name: 'x' }],
    });
    t.after(() => last.close());
    const id = await gateway.addServer({ name: 'last', url: last.url });
    await until(async () => (await listNames(client)).includes('last__echo'), { what: 'its tools' });
    const { message } = await client.request('resources/read', { uri: 'unlisted://r' });
    assert.equal(message!.result.contents[0].text, 'last has unlisted://r');
    assert.equal(bad.server.count('resources/read'), asked, 'the peer underneath never saw it');
    await gateway.manage('DeleteMcpServer', { server: { id } });
  });

  it('slows a server down whose client does not read', async (t) => {
    const note = sse({
      jsonrpc: '2.0',
      method: 'notifications/message',
      params: { level: 'info', data: 'x'.repeat(10_000) },
    });
    const total = Math.ceil((64 * MIB) / note.length);
    let sent = 0;
    const fast = await CountingServer.start({
      intercept: ({ message }, response) => {
        if (message?.method !== 'tools/call') return false;
        response.writeHead(200, SSE_HEADERS);
        const more = () => {
          while (sent < total) {
            sent++;
            if (!response.write(note)) return void response.once('drain', more);
          }
          response.end(sse(result(message.id!, text('done'))));
        };
        more();
        return true;
      },
    });
    t.after(() => fast.close());
    await gateway.addServer({ name: 'fast', url: fast.url });
    await until(async () => (await listNames(client)).includes('fast__echo'), { what: 'its tools' });
    const stream = await client.postStream(request('flood', 'tools/call', { name: 'fast__echo' }));
    await untilStill(() => sent);
    assert.ok(sent < total, 'the server has to wait');
    assert.equal(textOf((await client.callTool('good__echo', { text: 'fine' })).message!), 'fine');
    let messages = 0;
    let last: Message | undefined;
    for (let message = await stream.next(); message !== undefined; message = await stream.next()) {
      messages++;
      last = message;
    }
    assert.equal(messages, total + 1, 'nothing is lost');
    assert.equal(textOf(last!), 'done');
  });

  it('survives it all, without a trace in its memory', async () => {
    const peak = await peakMemory(gateway.process.pid!);
    assert.ok(gateway.isRunning);
    assert.ok(peak - memoryBefore < MAX_GROWTH, `grew by ${Math.round((peak - memoryBefore) / MIB)} MiB`);
    assert.deepEqual(gateway.logged('a request failed inside the gateway'), []);
    assert.equal((Object.prototype as Record<string, unknown>)['polluted'], undefined);
  });
});

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
      const { server } = await gateway.manage('GetMcpServer', { server: { id: servers.get(name)!.id } });
      const { health } = server as { health: { state: string; error: string } };
      assert.equal(health.state, 'STATE_FAILING');
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
