import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import { headersOf, ModernClient } from '../support/modern-client.ts';
import { RawClient } from '../support/raw-client.ts';
import { textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';

const MAX_BODY = 64 * 1024;
const MAX_DEPTH = 64;
const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';

describe('a modern client', () => {
  let gateway: Gateway;
  let server: CountingServer;
  let client: ModernClient;

  before(async () => {
    server = await CountingServer.start({ resources: [{ uri: 'one://r', name: 'r' }] });
    gateway = await Gateway.start({
      env: {
        DRAGON_BUILTIN_TOOLS: 'off',
        DRAGON_MAX_BODY_BYTES: String(MAX_BODY),
        DRAGON_MAX_JSON_DEPTH: String(MAX_DEPTH),
      },
    });
    await gateway.addServer({ name: 'one', url: server.url });
    client = new ModernClient(gateway.mcpUrl);
    await client.callTool('one__echo', { text: 'first' });
  });

  beforeEach(() => {
    server.seen.length = 0;
  });

  after(async () => {
    client?.close();
    await gateway?.stop();
    await server?.close();
  });

  describe('at a legacy server', () => {
    it('shares a session that declares nothing, and gets its answers under its own ids', async () => {
      const opened = server.sessionsOpened;
      const calls = await Promise.all(
        Array.from({ length: 20 }, (_, n) => client.callTool('one__echo', { text: `n${n}` }, { id: 'same' })),
      );
      for (const [n, { message }] of calls.entries()) {
        assert.deepEqual([message?.id, textOf(message!)], ['same', `n${n}`]);
        assert.equal(message?.result.resultType, 'complete');
        assert.equal(message?.result._meta['io.modelcontextprotocol/serverInfo'].name, 'counting');
      }
      assert.equal(server.sessionsOpened, opened);
      const asked = server.seen.filter(({ message }) => message?.method === 'tools/call');
      assert.equal(new Set(asked.map(({ message }) => message?.id)).size, 20);
      for (const { body, headers } of asked) {
        assert.doesNotMatch(body, /io\.modelcontextprotocol|_meta/);
        assert.equal(headers['mcp-protocol-version'], '2025-11-25');
      }
    });

    it('hears of its own progress only, under its own token', async () => {
      const calls = await Promise.all(
        [2, 3].map((steps) =>
          client.callTool('one__slow', { steps }, { id: 1, meta: { progressToken: 'mine', kept: true } }),
        ),
      );
      for (const [index, { messages }] of calls.entries()) {
        const progress = messages.filter(({ method }) => method === 'notifications/progress');
        assert.deepEqual(
          progress.map(({ params }) => [params?.['progressToken'], params?.['progress']]),
          [1, 2, 3].slice(0, index + 2).map((step) => ['mine', step]),
        );
      }
      assert.match(server.last('tools/call')!.body, /"kept":true/);
    });

    it('cancels by going away', async () => {
      const abort = new AbortController();
      const call = client.callTool('one__hold', {}, { signal: abort.signal });
      await until(() => server.peer.held === 1, { what: 'the call at the server' });
      const { cancelled } = server.peer;
      abort.abort();
      await assert.rejects(call);
      await until(() => server.peer.cancelled === cancelled + 1, { what: 'the cancellation' });
    });

    it('does not notice that the server has forgotten its session', async () => {
      server.expireSessions();
      const { message } = await client.callTool('one__echo', { text: 'healed' });
      assert.equal(textOf(message!), 'healed');
    });

    it('gets errors and results in the terms of its version', async () => {
      const missing = await client.request('resources/read', { uri: 'one://none' });
      assert.deepEqual([missing.status, missing.message?.error?.code], [200, -32602]);
      const read = await client.request('resources/read', { uri: 'one://r' });
      const { resultType, ttlMs, cacheScope } = read.message!.result;
      assert.deepEqual([resultType, ttlMs, cacheScope], ['complete', 0, 'private']);
      const failed = await client.callTool('one__fail');
      assert.deepEqual(
        [failed.message?.result.isError, failed.message?.result.resultType],
        [true, 'complete'],
      );
      const big = await client.callTool('one__big', { bytes: 300_000 }, { id: 'big' });
      assert.deepEqual([big.message?.id, big.message?.result.resultType], ['big', 'complete']);
      assert.equal(textOf(big.message!).length, 300_000);
    });

    it('listens to a resource in that session, and again when the server has forgotten it', async () => {
      const notifications = { resourceSubscriptions: ['one://r'] };
      const stream = await client.open('subscriptions/listen', { notifications }, { id: 's' });
      assert.deepEqual((await stream.next())?.params?.['notifications'], notifications);
      assert.ok(server.peer.subscriptions.has('one://r'));
      await until(() => server.openStreams >= 1, { what: 'the stream at the server' });
      const told = async () => {
        const message = await stream.next();
        assert.deepEqual(
          [message?.method, message?.params?.['uri']],
          ['notifications/resources/updated', 'one://r'],
        );
      };
      server.notify('notifications/resources/updated', { uri: 'one://r' });
      await told();
      const subscribed = server.count('resources/subscribe');
      server.expireSessions();
      // It can have changed while nobody heard of it.
      await told();
      await until(() => server.count('resources/subscribe') > subscribed, { what: 'the new subscription' });
      stream.close();
      await until(() => server.count('resources/unsubscribe') > 0, { what: 'the end of the subscription' });
    });

    it('goes on listening when the server’s record is changed', async () => {
      const notifications = { resourceSubscriptions: ['one://r'] };
      const stream = await client.open('subscriptions/listen', { notifications });
      await stream.next();
      const { sessionsOpened } = server;
      await gateway.manage('UpdateMcpServer', {
        server: { name: 'one' },
        changes: { timeouts: { idle: '59s' } },
      });
      const told = async () => assert.equal((await stream.next())?.params?.['uri'], 'one://r');
      await told();
      assert.ok(server.sessionsOpened > sessionsOpened);
      await until(() => server.openStreams >= 1, { what: 'the stream at the server' });
      server.notify('notifications/resources/updated', { uri: 'one://r' });
      await told();
      stream.close();
    });

    it('has nothing to do with sessions', async () => {
      const legacy = new RawClient(gateway.mcpUrl);
      await legacy.initialize();
      const headers = { 'mcp-session-id': legacy.sessionId!, 'last-event-id': 'x_1' };
      const { status, message } = await client.callTool('one__echo', { text: 'alone' }, { headers });
      assert.deepEqual([status, textOf(message!)], [200, 'alone']);
      assert.equal(textOf((await legacy.callTool('one__echo', { text: 'session' })).message!), 'session');
      await legacy.delete();
      legacy.close();
    });
  });

  describe('gets one clear error', () => {
    const call = { name: 'one__echo', arguments: { text: 'x' } };
    const calls = () => server.seen.filter(({ message }) => message?.method === 'tools/call').length;
    /** The body and headers of a good call, to be spoiled. */
    const good = () => ({
      body: client.message('tools/call', call, { id: 9 }),
      headers: headersOf('tools/call', call),
    });

    const HEADERS: readonly [string, Record<string, string | undefined>, number, number][] = [
      ['no method header', { 'mcp-method': undefined }, 400, -32020],
      ['another method in the header', { 'mcp-method': 'tools/list' }, 400, -32020],
      ['no name header', { 'mcp-name': undefined }, 400, -32020],
      ['another name in the header', { 'mcp-name': 'one__fail' }, 400, -32020],
      ['a name header that is no base64', { 'mcp-name': '=?base64?*?=' }, 400, -32020],
      ['no version header', { 'mcp-protocol-version': undefined }, 400, -32020],
      ['an older version in the header', { 'mcp-protocol-version': '2025-11-25' }, 400, -32020],
      ['a version header of the future', { 'mcp-protocol-version': '2099-01-01' }, 400, -32020],
      ['a content type that is not JSON', { 'content-type': 'text/plain' }, 415, -32600],
      ['an Accept that takes no JSON', { accept: 'text/html' }, 406, -32600],
      ['an origin that is not allowed', { origin: 'https://evil.example' }, 403, -32600],
    ];

    for (const [what, spoiled, status, code] of HEADERS) {
      it(`for ${what}`, async () => {
        const { body, headers } = good();
        const answer = await client.raw.post(body, { headers: { ...headers, ...spoiled } });
        assert.deepEqual([answer.status, answer.messages.length], [status, 1], answer.text);
        assert.equal(answer.messages[0]?.error?.code, code);
        assert.match(String(answer.headers['content-type']), /^application\/json/);
        assert.equal(calls(), 0);
      });
    }

    const META = 'io.modelcontextprotocol/clientCapabilities';
    const BODIES: readonly [string, (text: string) => string, number, number][] = [
      ['what is not JSON', (text) => text.slice(1), 400, -32700],
      ['no capabilities', (text) => text.replace(META, 'x'), 400, -32602],
      ['capabilities of another type', (text) => text.replace(`"${META}":{}`, `"${META}":[]`), 400, -32602],
      ['a version of the future', (text) => text.replace('"2026-07-28"', '"2099-01-01"'), 400, -32020],
      ['a version that is a number', (text) => text.replace('"2026-07-28"', '1'), 400, -32602],
      ['no version', (text) => text.replace(VERSION_KEY, 'x'), 400, -32602],
      ['no version and no _meta', (text) => text.replace('"_meta"', '"x"'), 400, -32602],
      ['_meta that is a list', (text) => text.replace(/"_meta":\{.*\}\}\}$/, '"_meta":[]}}'), 400, -32602],
      ['a batch', (text) => `[${text}]`, 400, -32600],
      ['an id of null', (text) => text.replace('"id":9', '"id":null'), 400, -32600],
      ['an id that is a fraction', (text) => text.replace('"id":9', '"id":1.5'), 400, -32600],
      ['params that are a list', (text) => text.replace(/"params":.*$/, '"params":[1]}'), 400, -32600],
      [
        'a name that stands twice',
        (text) => text.replace('"name"', '"name":"one__echo","name"'),
        200,
        -32600,
      ],
      ['_meta that stands twice', (text) => text.replace('"_meta"', '"_meta":{},"_meta"'), 200, -32600],
      ['a body too deep', (text) => text.replace('"x"', '['.repeat(100) + ']'.repeat(100)), 400, -32600],
      ['a body too large', (text) => text.replace('"x"', `"${'x'.repeat(MAX_BODY)}"`), 413, -32600],
    ];

    for (const [what, spoil, status, code] of BODIES) {
      it(`for ${what}`, async () => {
        const { body, headers } = good();
        const answer = await client.raw.post(spoil(JSON.stringify(body)), { headers });
        assert.deepEqual([answer.status, answer.messages.length], [status, 1], answer.text);
        assert.equal(answer.messages[0]?.error?.code, code, answer.text);
        assert.equal(calls(), 0);
      });
    }

    it('for a version that is not spoken, with those that are', async () => {
      const text = JSON.stringify(good().body).replace('2026-07-28', '2099-01-01');
      const headers = { ...good().headers, 'mcp-protocol-version': '2099-01-01' };
      const { status, messages } = await client.raw.post(text, { headers });
      assert.deepEqual([status, messages[0]?.error?.code], [400, -32022]);
      assert.deepEqual(messages[0]?.error?.data, { supported: ['2026-07-28'], requested: '2099-01-01' });
    });

    it('for methods that this version does not have', async () => {
      for (const method of [
        'ping',
        'initialize',
        'logging/setLevel',
        'resources/subscribe',
        'tasks/list',
        'x',
        '__proto__',
      ]) {
        const { status, message } = await client.request(method);
        assert.deepEqual([status, message?.error?.code], [404, -32601], method);
      }
    });

    it('for arguments of the gateway’s own methods that are wrong', async () => {
      const cases: [string, Record<string, unknown>, number][] = [
        ['tools/call', {}, -32602],
        ['tools/call', { name: 1 }, -32602],
        ['resources/read', { uri: null }, -32602],
        ['prompts/get', { name: 'none' }, -32602],
        ['completion/complete', { ref: {} }, -32602],
        ['subscriptions/listen', {}, -32602],
        ['subscriptions/listen', { notifications: { toolsListChanged: 1 } }, -32602],
        [
          'subscriptions/listen',
          { notifications: { resourceSubscriptions: Array.from({ length: 1001 }, (_, n) => `u:${n}`) } },
          -32602,
        ],
        ['subscriptions/listen', { notifications: { taskIds: ['x'] } }, -32021],
      ];
      for (const [method, params, code] of cases) {
        const { message, messages } = await client.request(method, params);
        assert.deepEqual(
          [messages.length, message?.error?.code],
          [1, code],
          `${method} ${JSON.stringify(params).slice(0, 80)}`,
        );
      }
    });

    it('for GET and DELETE', async () => {
      for (const method of ['GET', 'DELETE']) {
        const headers = { accept: 'text/event-stream', 'mcp-protocol-version': '2026-07-28' };
        const response = await fetch(gateway.mcpUrl, { method, headers });
        assert.deepEqual([response.status, response.headers.get('allow')], [405, 'POST']);
        const { error } = (await response.json()) as { error: { code: number } };
        assert.equal(error.code, -32600);
      }
    });

    it('and none for a notification, which is dropped', async () => {
      const headers = { 'mcp-protocol-version': '2026-07-28' };
      const answer = await client.raw.notify('notifications/cancelled', { requestId: 1 }, { headers });
      assert.deepEqual([answer.status, answer.text], [202, '']);
    });

    it('and goes on after all of them', async () => {
      assert.equal(textOf((await client.callTool('one__echo', { text: 'good' })).message!), 'good');
      const metrics = await (await fetch(`${gateway.opsUrl}/metrics`)).text();
      assert.match(
        metrics,
        /^dragon_requests_total\{method="tools\/call",face="modern",outcome="ok"\} \d+$/m,
      );
      assert.match(metrics, /^dragon_requests_in_flight 0$/m);
    });
  });
});
