import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import { endless, SSE_HEADERS, sse } from '../support/hostile-answers.ts';
import { type Hostile, HTTP_ANSWERS, type HttpBehaviour, startHostile } from '../support/hostile-http.ts';
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

/** Above what it takes to read large answers, far below what they would take without limits. */
const MAX_GROWTH = 1024 * MIB;

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
    await gateway.addServer({ name: 'bad', url: bad.url, timeouts: { idle: '3s' } });
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
      const written = endless.written;
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
      // What there is room for on its way is more than was read.
      assert.ok(endless.written - written < 4 * MAX_MESSAGE, `${endless.written - written} bytes were taken`);
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
