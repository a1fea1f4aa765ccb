import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, describe, it, type TestContext } from 'node:test';
import { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import { ModernClient } from '../support/modern-client.ts';
import { type RawAnswer, RawClient } from '../support/raw-client.ts';
import { RawSocket } from '../support/raw-socket.ts';
import { request, textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';

/** A gauge or counter as the gateway tells it now; 0 where it does not. */
async function metric(gateway: Gateway, series: string): Promise<number> {
  const text = await (await fetch(`${gateway.opsUrl}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1) ?? 0);
}

const admitted = (gateway: Gateway) => metric(gateway, 'dragon_requests_admitted');
const refused = (gateway: Gateway, reason: string) =>
  metric(gateway, `dragon_requests_refused_total{reason="${reason}"}`);

async function isAtRest(gateway: Gateway): Promise<void> {
  await until(async () => (await admitted(gateway)) === 0, { what: 'no request to be under way' });
}

async function session(gateway: Gateway, t: TestContext, protocolVersion?: string): Promise<RawClient> {
  const client = new RawClient(gateway.mcpUrl, protocolVersion === undefined ? {} : { protocolVersion });
  t.after(async () => {
    await client.delete();
    client.close();
  });
  assert.equal((await client.initialize()).status, 200);
  return client;
}

interface Expected {
  readonly status: number;
  readonly code?: number;
  readonly reason: 'overloaded' | 'too_many_requests';
}

function assertRefused(answer: RawAnswer, { status, code = -32000, reason }: Expected): void {
  assert.equal(answer.status, status, answer.text);
  const seconds = answer.headers['retry-after'] ?? '';
  assert.match(seconds, /^[1-9]\d?$/);
  const { error, id } = answer.message!;
  assert.notEqual(id, undefined);
  assert.equal(error!.code, code);
  assert.deepEqual(error!.data, { reason, retryAfter: Number(seconds) });
}

describe('limits of what is under way', () => {
  let gateway: Gateway;
  let a: CountingServer;
  let b: CountingServer;

  before(async () => {
    [a, b] = await Promise.all([CountingServer.start(), CountingServer.start()]);
    gateway = await Gateway.start({
      env: {
        DRAGON_MAX_IN_FLIGHT_PER_SERVER: '4',
        DRAGON_MAX_IN_FLIGHT_PER_PRINCIPAL: '10',
        DRAGON_MAX_STREAMS_PER_PRINCIPAL: '2',
        DRAGON_MAX_TURN_MS: '0',
      },
    });
    await gateway.addServer({ name: 'a', url: a.url });
    await gateway.addServer({ name: 'b', url: b.url });
    await gateway.addServer({ name: 'c', url: b.url });
  });

  after(async () => {
    await gateway?.stop();
    await Promise.all([a?.close(), b?.close()]);
  });

  /** Calls that their servers do not answer until they are released. */
  async function hold(client: RawClient, counts: Readonly<Record<string, number>>) {
    const [before, beforeB] = [a.peer.held, b.peer.held];
    const calls = Object.entries(counts).flatMap(([server, count]) =>
      Array.from({ length: count }, () => client.callTool(`${server}__hold`)),
    );
    const { a: ofA = 0, b: ofB = 0, c: ofC = 0 } = counts;
    await until(() => a.peer.held === before + ofA && b.peer.held === beforeB + ofB + ofC, {
      what: 'the servers to have the calls',
    });
    return calls;
  }

  async function release(calls: readonly Promise<RawAnswer>[]): Promise<void> {
    a.peer.release();
    b.peer.release();
    for (const answer of await Promise.all(calls)) assert.equal(textOf(answer.message!), 'released');
    await isAtRest(gateway);
  }

  it('a server that is full gets no more, while others go on, and then it does', async (t) => {
    const client = await session(gateway, t);
    const modern = new ModernClient(gateway.mcpUrl);
    t.after(() => modern.raw.close());
    const held = await hold(client, { a: 4 });
    const before = await refused(gateway, 'server_full');
    for (let n = 0; n < 6; n++)
      assertRefused(await client.callTool('a__echo', { text: 'x' }), { status: 503, reason: 'overloaded' });
    assertRefused(await modern.callTool('a__echo', { text: 'x' }), {
      status: 503,
      code: -32603,
      reason: 'overloaded',
    });
    assert.equal(await refused(gateway, 'server_full'), before + 7);
    assert.equal(textOf((await client.callTool('b__echo', { text: 'b' })).message!), 'b');
    assert.equal(textOf((await modern.callTool('b__echo', { text: 'b' })).message!), 'b');
    const { server } = await gateway.manage('GetMcpServer', { server: { name: 'a' } });
    assert.equal((server as { health: { breaker?: string } }).health.breaker, 'BREAKER_CLOSED');
    await release(held);
    assert.equal(textOf((await client.callTool('a__echo', { text: 'a' })).message!), 'a');
  });

  it('a principal that has all it may have gets no more calls, but may end those', async (t) => {
    const client = await session(gateway, t);
    const modern = new ModernClient(gateway.mcpUrl);
    t.after(() => modern.raw.close());
    const held = await hold(client, { a: 3, b: 4, c: 2 });
    const aborted = client.request('tools/call', { name: 'c__hold', arguments: {} }, { id: 'mine' });
    await until(() => b.peer.held === 7, { what: 'the server to have the call' });
    assert.equal(await admitted(gateway), 10);
    assertRefused(await client.callTool('echo', { message: 'x' }), {
      status: 429,
      reason: 'too_many_requests',
    });
    assertRefused(await modern.callTool('echo', { message: 'x' }), {
      status: 429,
      code: -32603,
      reason: 'too_many_requests',
    });
    assert.equal((await client.request('ping')).status, 200);
    assert.equal((await modern.request('server/discover')).status, 200);
    const other = await session(gateway, t);
    assertRefused(await other.callTool('echo', { message: 'x' }), {
      status: 429,
      reason: 'too_many_requests',
    });
    assert.equal(
      (await client.notify('notifications/cancelled', { requestId: 'mine', reason: 'enough' })).status,
      202,
    );
    await until(() => b.peer.held === 6, { what: 'the server to hear that the call is cancelled' });
    await aborted;
    assert.equal((await client.callTool('echo', { message: 'x' })).status, 200);
    await release(held);
  });

  it('everything that comes in goes out again, however it ends', async (t) => {
    const client = await session(gateway, t);
    const modern = new ModernClient(gateway.mcpUrl);
    t.after(() => modern.raw.close());
    // Failed, in several ways.
    for (const name of ['nothing', 'a__nothing', 'b__hold__x']) await client.callTool(name);
    await client.request('tools/list', { cursor: 'not one' });
    await client.request('no/method');
    await modern.request('no/method');
    await modern.callTool('a__nothing');
    await isAtRest(gateway);
    // The client has gone: in the older era the call goes on until the server answers.
    const gone = new AbortController();
    const left = client.callTool('a__hold', {}, { signal: gone.signal });
    const leaving = modern.raw.post(modern.message('tools/call', { name: 'b__hold', arguments: {} }, {}), {
      signal: gone.signal,
      headers: {
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/call',
        'mcp-name': 'b__hold',
      },
    });
    await until(() => a.peer.held === 1 && b.peer.held === 1, { what: 'the servers to have the calls' });
    assert.equal(await admitted(gateway), 2);
    gone.abort();
    await Promise.allSettled([left, leaving]);
    await until(() => b.peer.held === 0, { what: 'the modern call to be cancelled' });
    a.peer.release();
    await isAtRest(gateway);
    // The session ends.
    const short = new RawClient(gateway.mcpUrl);
    await short.initialize();
    const cut = short.callTool('a__hold');
    await until(() => a.peer.held === 1, { what: 'the server to have the call' });
    await short.delete();
    short.close();
    await Promise.allSettled([cut]);
    await isAtRest(gateway);
    a.peer.release();
  });

  it('in a batch those are refused for which there is no room', async (t) => {
    const client = await session(gateway, t, '2025-03-26');
    const batch = Array.from({ length: 8 }, (_, id) => request(id, 'tools/call', { name: 'a__hold' }));
    const answering = client.post(batch);
    await until(() => a.peer.held === 4, { what: 'the server to have as many as it may' });
    a.peer.release();
    const { messages, status } = await answering;
    assert.equal(status, 200);
    const errors = messages.flatMap(({ error }) => (error === undefined ? [] : [error]));
    assert.deepEqual(
      errors.map(({ code, data }) => [code, data]),
      Array.from({ length: 4 }, () => [-32000, { reason: 'overloaded', retryAfter: 1 }]),
    );
    assert.equal(messages.length, 8);
    await isAtRest(gateway);
  });

  it('a principal may have so many streams', async (t) => {
    const modern = new ModernClient(gateway.mcpUrl);
    const first = await session(gateway, t);
    const second = await session(gateway, t);
    const open = [
      await first.stream(),
      await modern.open('subscriptions/listen', { notifications: { toolsListChanged: true } }),
    ];
    assert.deepEqual(
      open.map(({ status }) => status),
      [200, 200],
    );
    const third = await second.stream();
    assert.equal(third.status, 429);
    assert.match(String(third.headers['retry-after']), /^\d+$/);
    third.close();
    const fourth = await modern.request('subscriptions/listen', {
      notifications: { toolsListChanged: true },
    });
    assertRefused(fourth, { status: 429, code: -32603, reason: 'too_many_requests' });
    for (const stream of open) stream.close();
    modern.raw.close();
    await until(
      async () => {
        const stream = await second.stream();
        stream.close();
        return stream.status === 200;
      },
      { what: 'a stream that is free again' },
    );
  });
});

describe('a node', () => {
  let gateway: Gateway;
  let server: CountingServer;

  before(async () => {
    server = await CountingServer.start();
    gateway = await Gateway.start({
      env: { DRAGON_MAX_IN_FLIGHT: '5', DRAGON_MAX_CONNECTIONS: '12', DRAGON_MAX_TURN_MS: '0' },
    });
    await gateway.addServer({ name: 'a', url: server.url });
  });

  after(async () => {
    await gateway?.stop();
    await server?.close();
  });

  it('that is full refuses calls and lets them in again', async (t) => {
    const client = await session(gateway, t);
    const calls = Array.from({ length: 5 }, () => client.callTool('a__hold'));
    await until(() => server.peer.held === 5, { what: 'the server to have the calls' });
    assertRefused(await client.callTool('echo', { message: 'x' }), { status: 503, reason: 'overloaded' });
    assert.ok((await refused(gateway, 'node_full')) > 0);
    const fresh = await session(gateway, t);
    assertRefused(await fresh.callTool('echo', { message: 'x' }), { status: 503, reason: 'overloaded' });
    server.peer.release();
    await Promise.all(calls);
    assert.equal((await fresh.callTool('echo', { message: 'x' })).status, 200);
    await isAtRest(gateway);
  });

  it('closes connections that are too many as they come', async (t) => {
    const sockets: RawSocket[] = [];
    t.after(() => {
      for (const { socket } of sockets) socket.destroy();
    });
    const before = await refused(gateway, 'connections_full');
    for (let n = 0; n < 13; n++) sockets.push(await RawSocket.open(gateway.mcpUrl));
    await until(() => sockets.some(({ isOver }) => isOver), { what: 'a connection to be closed' });
    await until(async () => (await refused(gateway, 'connections_full')) > before, {
      what: 'that to be told',
    });
    for (const { socket } of sockets) socket.destroy();
    await until(
      async () => {
        const client = new RawClient(gateway.mcpUrl);
        const { status } = await client.initialize();
        await client.delete();
        client.close();
        return status === 200;
      },
      { what: 'a connection that is taken' },
    );
  });
});

/** A client that sends many calls at once and, as soon as they are answered, as many again. */
class Flood {
  readonly socket: Socket;
  isOver = false;
  waiting = 0;
  answers = 0;
  refusals = 0;
  retries = 0;
  readonly #calls: string;
  #unread = '';

  private constructor(socket: Socket, client: RawClient) {
    this.socket = socket;
    const body = JSON.stringify(request('x', 'tools/call', { name: 'echo', arguments: { message: 'x' } }));
    this.#calls =
      `POST /mcp HTTP/1.1\r\nhost: localhost\r\nmcp-session-id: ${client.sessionId}\r\n` +
      'mcp-protocol-version: 2025-11-25\r\ncontent-type: application/json\r\n' +
      'accept: application/json, text/event-stream\r\n' +
      `content-length: ${body.length}\r\n\r\n${body}`;
    socket.setEncoding('latin1').on('data', (text: string) => this.#push(text));
    this.#send();
  }

  static async start(client: RawClient): Promise<Flood> {
    const socket = connect(Number(new URL(client.url).port), '127.0.0.1');
    await once(socket, 'connect');
    return new Flood(socket, client);
  }

  #send(): void {
    this.waiting = BATCH;
    this.socket.write(this.#calls.repeat(BATCH));
  }

  #push(text: string): void {
    this.#unread += text;
    for (;;) {
      const head = this.#unread.slice(0, this.#unread.indexOf('\r\n\r\n') + 4);
      const size = Number(/\r\ncontent-length: (\d+)\r\n/.exec(head)?.[1] ?? Number.POSITIVE_INFINITY);
      if (this.#unread.length < head.length + size) break;
      this.#unread = this.#unread.slice(head.length + size);
      this.waiting--;
      this.answers++;
      if (head.startsWith('HTTP/1.1 503')) this.refusals++;
      if (/\r\nretry-after: [123]\r\n/.test(head)) this.retries++;
    }
    if (this.waiting === 0 && !this.isOver) this.#send();
  }
}

const BATCH = 10;

describe('a node without time', () => {
  let gateway: Gateway;
  let server: CountingServer;

  before(async () => {
    server = await CountingServer.start();
    // A turn with a call of each flood is longer than this on any machine.
    gateway = await Gateway.start({ env: { DRAGON_MAX_TURN_MS: '1' } });
    await gateway.addServer({ name: 'a', url: server.url });
  });

  after(async () => {
    await gateway?.stop();
    await server?.close();
  });

  it('refuses calls, answers the others, and goes back to normal when the flood is over', async (t) => {
    const client = await session(gateway, t);
    const floods = await Promise.all(Array.from({ length: 100 }, () => Flood.start(client)));
    t.after(() => {
      for (const { socket } of floods) socket.destroy();
    });
    await until(() => floods.some(({ refusals }) => refusals > 0), { what: 'a refusal', timeoutMs: 60_000 });
    assert.equal((await client.request('ping')).status, 200);
    const modern = new ModernClient(gateway.mcpUrl);
    assert.equal((await modern.request('server/discover')).status, 200);
    modern.raw.close();
    await session(gateway, t);
    for (const flood of floods) flood.isOver = true;
    await until(() => floods.every(({ waiting }) => waiting === 0), {
      what: 'the answers',
      timeoutMs: 60_000,
    });
    for (const { refusals, retries, answers } of floods) {
      assert.equal(refusals, retries, 'each refusal says when to come back');
      assert.ok(answers >= refusals);
    }
    assert.ok((await refused(gateway, 'node_busy')) > 0);
    await until(async () => (await metric(gateway, 'dragon_overloaded')) === 0, { what: 'the calm' });
    await isAtRest(gateway);
    assert.equal(await metric(gateway, 'dragon_refusals_waiting'), 0);
    assert.equal((await client.callTool('a__echo', { text: 'x' })).status, 200);
  });
});
