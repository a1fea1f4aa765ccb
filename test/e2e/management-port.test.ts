import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { TurnstileService } from '../../src/gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import {
  Health,
  HealthCheckResponse_ServingStatus as Status,
} from '../../src/gen/grpc/health/v1/health_pb.ts';
import { ServerReflectionRequestSchema } from '../../src/gen/grpc/reflection/v1/reflection_pb.ts';
import { untilRefused } from '../support/raw-socket.ts';
import { until } from '../support/wait.ts';
import { startManagement } from './management-start.ts';

const LIST = '/dragon.turnstile.api.v1.TurnstileService/ListMcpServers';
const CREATE = '/dragon.turnstile.api.v1.TurnstileService/CreateMcpServer';

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** One request over HTTP/1.1 with exactly these headers. */
async function http1(
  url: string,
  path: string,
  headers: Record<string, string>,
  method = 'POST',
): Promise<Answer> {
  const request = httpRequest(new URL(path, url), { method, headers, agent: false });
  request.end(method === 'POST' ? '{}' : undefined);
  const [response] = await once(request, 'response');
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}

/** One request over h2c with exactly these headers. */
async function http2(
  url: string,
  path: string,
  headers: Record<string, string>,
  method = 'POST',
): Promise<Answer> {
  const session = connectHttp2(url);
  try {
    const stream = session.request({ ':path': path, ':method': method, ...headers });
    stream.end(method === 'POST' ? '{}' : undefined);
    const [response] = await once(stream, 'response');
    return { status: Number(response[':status']), headers: response, body: await text(stream) };
  } finally {
    session.destroy();
  }
}

async function rawSocket(context: TestContext, port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  context.after(() => socket.destroy());
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

const json = { 'content-type': 'application/json' };

test('the port tells health over both HTTP versions', async (context) => {
  const { url, readiness } = await startManagement(context);
  for (const ask of [http1, http2]) {
    readiness.ready = true;
    readiness.reasons = [];
    assert.equal((await ask(url, '/healthz', {}, 'GET')).status, 200);
    assert.deepEqual((await ask(url, '/readyz', {}, 'GET')).status, 200);
    readiness.ready = false;
    readiness.reasons = ['draining'];
    assert.equal((await ask(url, '/healthz', {}, 'GET')).status, 200);
    const { status, body } = await ask(url, '/readyz', {}, 'GET');
    assert.equal(status, 503);
    assert.deepEqual(JSON.parse(body), { ready: false, reasons: ['draining'] });
    assert.equal((await ask(url, '/nothing', {}, 'GET')).status, 404);
    assert.equal((await ask(url, '/no.Such/Method', json)).status, 404);
  }
});

test('a foreign host is refused on loopback, over both HTTP versions', async (context) => {
  const { url } = await startManagement(context, { allowedHosts: ['dragon.example.com'] });
  for (const foreign of [
    'evil.example.com',
    'evil.example.com:8080',
    '10.0.0.1',
    'localhost.evil.com',
    '127.0.0.1.evil.com',
  ]) {
    assert.equal((await http1(url, LIST, { ...json, host: foreign })).status, 403, foreign);
    assert.equal((await http2(url, LIST, { ...json, ':authority': foreign })).status, 403, foreign);
    assert.equal((await http1(url, '/readyz', { host: foreign }, 'GET')).status, 403, foreign);
  }
  for (const own of [
    'localhost',
    'localhost:8080',
    '127.0.0.1:1',
    '[::1]:8080',
    'LOCALHOST',
    'dragon.example.com:443',
  ]) {
    assert.equal((await http1(url, LIST, { ...json, host: own })).status, 200, own);
    assert.equal((await http2(url, LIST, { ...json, ':authority': own })).status, 200, own);
  }
  for (const malformed of ['a b', 'user@localhost', 'localhost/x', '[', 'localhost:99999']) {
    assert.equal((await http1(url, LIST, { ...json, host: malformed })).status, 400, malformed);
  }
});

test('a gateway on the network is called by any name, unless names are configured', async (context) => {
  const { port } = await startManagement(context, { host: '0.0.0.0' });
  const url = `http://127.0.0.1:${port}`;
  assert.equal((await http1(url, LIST, { ...json, host: 'dragon.svc:8080' })).status, 200);
  const { port: strictPort } = await startManagement(context, {
    host: '0.0.0.0',
    allowedHosts: ['dragon.svc'],
  });
  const strictUrl = `http://127.0.0.1:${strictPort}`;
  assert.equal((await http1(strictUrl, LIST, { ...json, host: 'dragon.svc:8080' })).status, 200);
  assert.equal((await http1(strictUrl, LIST, { ...json, host: 'other' })).status, 403);
});

test('a page of a foreign origin is refused and changes nothing', async (context) => {
  const { url, servers } = await startManagement(context);
  for (const origin of [
    'https://evil.example.com',
    'null',
    'http://localhost.evil.com',
    'chrome-extension://abc',
  ]) {
    for (const ask of [http1, http2]) {
      const { status, body, headers } = await ask(url, CREATE, { ...json, origin });
      assert.equal(status, 403, origin);
      assert.equal(JSON.parse(body).code, 'permission_denied');
      assert.equal(headers['access-control-allow-origin'], undefined);
    }
  }
  assert.equal(servers.records.size, 0);
  for (const origin of ['http://localhost:3000', 'http://127.0.0.1:8080', 'http://[::1]']) {
    const { status, headers } = await http1(url, LIST, { ...json, origin });
    assert.equal(status, 200, origin);
    assert.equal(headers['access-control-allow-origin'], undefined);
  }
});

test('a page of an allowed origin may call, preflight included', async (context) => {
  const origin = 'https://console.example.com';
  const { url } = await startManagement(context, { allowedOrigins: [origin] });
  for (const ask of [http1, http2]) {
    const preflight = await ask(url, LIST, { origin, 'access-control-request-method': 'POST' }, 'OPTIONS');
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers['access-control-allow-origin'], origin);
    assert.match(String(preflight.headers['access-control-allow-headers']), /Connect-Protocol-Version/i);
    const answer = await ask(url, LIST, { ...json, origin });
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['access-control-allow-origin'], origin);
    assert.match(String(answer.headers['access-control-expose-headers']), /grpc-status/i);
    assert.equal(answer.headers['vary'], 'Origin');
  }
});

test('a preface in single bytes is HTTP/2, and a method that begins like it is not', async (context) => {
  const { port } = await startManagement(context);
  const slow = await rawSocket(context, port);
  slow.setNoDelay(true);
  for (const byte of Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')) {
    await new Promise<void>((resolve) => slow.write(Buffer.from([byte]), () => resolve()));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const [frame] = (await once(slow, 'data')) as [Buffer];
  assert.equal(frame[3], 4, 'the server answers with SETTINGS');

  const http = await rawSocket(context, port);
  http.write('P');
  http.write('UT /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  assert.match(await text(http), /^HTTP\/1\.1 404/);
});

test('requests in one packet, and a request without a host, are answered over HTTP/1.1', async (context) => {
  const { port } = await startManagement(context);
  const pipelined = await rawSocket(context, port);
  const get = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n';
  pipelined.write(`${get}\r\n${get}Connection: close\r\n\r\n`);
  assert.equal((await text(pipelined)).match(/HTTP\/1\.1 200/g)?.length, 2);

  const bare = await rawSocket(context, port);
  bare.write(`POST ${LIST} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`);
  assert.match(await text(bare), /^HTTP\/1\.1 400/);
});

test('what is neither HTTP version is answered and cut', async (context) => {
  const { port, url } = await startManagement(context);
  const noise = await rawSocket(context, port);
  noise.write('\x16\x03\x01\x00\xa5\x01\r\n\r\n');
  assert.match(await text(noise), /^(HTTP\/1\.1 400|$)/);
  const half = await rawSocket(context, port);
  half.end('PRI * HT');
  await once(half.resume(), 'close');
  const wrong = await rawSocket(context, port);
  wrong.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nthis is no frame, and is long enough to be read as one');
  await once(wrong.resume(), 'close');
  assert.equal((await http1(url, '/healthz', {}, 'GET')).status, 200);
});

test('a connection that says nothing, or half a request, is cut in time', async (context) => {
  const timeouts = { headersMs: 100, requestMs: 200, idleMs: 60_000 };
  const { port, url } = await startManagement(context, { timeouts });
  const openings: Record<string, string> = {
    nothing: '',
    'half a preface': 'PRI * HTTP/2.0',
    'half the headers': 'GET /healthz HTTP/1.1\r\nHost: loc',
    'half a body': `POST ${LIST} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{`,
  };
  for (const [what, bytes] of Object.entries(openings)) {
    const socket = await rawSocket(context, port);
    socket.write(bytes);
    await once(socket.resume(), 'close').catch(() => assert.fail(`${what} was not cut`));
  }
  const session = connectHttp2(url);
  context.after(() => session.destroy());
  const stream = session.request({ ':path': LIST, ':method': 'POST', ...json });
  stream.on('error', () => undefined);
  stream.write('{');
  await once(stream, 'close');
});

test('an idle connection is closed over both HTTP versions', async (context) => {
  const { url, port } = await startManagement(context, {
    timeouts: { headersMs: 5000, requestMs: 5000, idleMs: 100 },
  });
  const session = connectHttp2(url);
  context.after(() => session.destroy());
  await once(session, 'close');
  const socket = await rawSocket(context, port);
  socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await once(socket.resume(), 'close');
});

test('a watch outlives the idle time and tells each change', async (context) => {
  const { url, readiness, close } = await startManagement(context, {
    timeouts: { headersMs: 100, requestMs: 100, idleMs: 100 },
  });
  const client = createClient(Health, createGrpcTransport({ baseUrl: url }));
  const told: Status[] = [];
  const watching = (async () => {
    for await (const { status } of client.watch({})) told.push(status);
  })();
  await until(() => told.length === 1, { what: 'the first status' });
  readiness.ready = false;
  await until(() => told.length === 2, { what: 'the second status' });
  readiness.ready = true;
  await until(() => told.length === 3, { what: 'the third status' });
  await close(10_000);
  await watching;
  assert.deepEqual(told, [Status.SERVING, Status.NOT_SERVING, Status.SERVING, Status.NOT_SERVING]);
});

test('a watch of an unknown service says so and stays', async (context) => {
  const { url, close } = await startManagement(context);
  const client = createClient(Health, createConnectTransport({ baseUrl: url, httpVersion: '1.1' }));
  const told: Status[] = [];
  const watching = (async () => {
    for await (const { status } of client.watch({ service: 'no.Such' })) told.push(status);
  })();
  await until(() => told.length === 1, { what: 'the first status' });
  await close(10_000);
  await watching;
  assert.deepEqual(told, [Status.SERVICE_UNKNOWN]);
});

test('a message over the limit is refused, compressed or not', async (context) => {
  const { url } = await startManagement(context, { maxBodyBytes: 10_000 });
  const body = JSON.stringify({ name: 'a', url: `http://x/${'y'.repeat(20_000)}` });
  const plain = await fetch(`${url}${CREATE}`, { method: 'POST', headers: json, body });
  const compressed = await fetch(`${url}${CREATE}`, {
    method: 'POST',
    headers: { ...json, 'content-encoding': 'gzip' },
    body: gzipSync(body),
  });
  for (const response of [plain, compressed]) {
    assert.equal(((await response.json()) as { code: string }).code, 'resource_exhausted');
  }
});

test('long answers are compressed for who reads that', async (context) => {
  const { url } = await startManagement(context);
  const client = createClient(TurnstileService, createConnectTransport({ baseUrl: url, httpVersion: '1.1' }));
  for (let index = 0; index < 20; index += 1) {
    await client.createMcpServer({
      name: `s${index}`,
      target: { case: 'url', value: 'http://localhost:9000/mcp' },
    });
  }
  const response = await fetch(`${url}${LIST}`, {
    method: 'POST',
    headers: { ...json, 'accept-encoding': 'gzip' },
    body: '{}',
  });
  assert.equal(response.headers.get('content-encoding'), 'gzip');
  assert.equal(((await response.json()) as { servers: unknown[] }).servers.length, 20);
});

for (const [name, transportTo] of [
  ['gRPC over h2c', (baseUrl: string) => createGrpcTransport({ baseUrl })],
  [
    'Connect over HTTP/1.1',
    (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: '1.1' as const }),
  ],
] as const) {
  test(`closing lets a call over ${name} finish, and takes no new connection`, async (context) => {
    const { url, servers, close, port } = await startManagement(context);
    const client = createClient(TurnstileService, transportTo(url));
    await client.createMcpServer({ name: 'a', target: { case: 'url', value: 'http://x' } });
    const gate = Promise.withResolvers<void>();
    servers.gate = gate.promise;
    const call = client.testMcpServer({ server: { ref: { case: 'name', value: 'a' } } });
    await servers.untilTestUnderWay();
    const closed = close(60_000);
    await untilRefused(port);
    gate.resolve();
    assert.equal((await call).outcome.case, 'failure');
    await closed;
  });
}

test('closing tells HTTP/2 clients which of their calls were taken, and ends those', async (context) => {
  const { url, close } = await startManagement(context);
  const session = connectHttp2(url);
  context.after(() => session.destroy());
  session.on('error', () => undefined);
  // A watch ends by itself when the port closes; until then it is a call under way.
  const watch = session.request({
    ':path': '/grpc.health.v1.Health/Watch',
    ':method': 'POST',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  watch.end(Buffer.alloc(5));
  await once(watch, 'data');
  const [goaway, trailers, gone] = [
    once(session, 'goaway'),
    once(watch.resume(), 'trailers'),
    once(session, 'close'),
  ];
  await close(60_000);
  const [code, lastStream] = await goaway;
  assert.equal(code, 0);
  assert.equal(lastStream, watch.id);
  assert.notEqual((await trailers)[0]['grpc-status'], undefined);
  await gone;
});

test('closing cuts what does not finish in time', async (context) => {
  const { url, servers, close } = await startManagement(context);
  const client = createClient(TurnstileService, createGrpcTransport({ baseUrl: url }));
  await client.createMcpServer({ name: 'a', target: { case: 'url', value: 'http://x' } });
  servers.gate = new Promise(() => undefined);
  const call = client.testMcpServer({ server: { ref: { case: 'name', value: 'a' } } });
  call.catch(() => undefined);
  await servers.untilTestUnderWay();
  await close(0);
  await assert.rejects(call, (error) => error instanceof ConnectError && error.code !== Code.Internal);
});

test('closing ends a reflection stream that waits, with its status', async (context) => {
  const { url, close } = await startManagement(context);
  const session = connectHttp2(url);
  context.after(() => session.destroy());
  const stream = session.request({
    ':path': '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    ':method': 'POST',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  const question = create(ServerReflectionRequestSchema, {
    messageRequest: { case: 'listServices', value: '' },
  });
  const message = toBinary(ServerReflectionRequestSchema, question);
  stream.write(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]));
  await once(stream, 'data');
  const trailers = once(stream.resume(), 'trailers');
  await close(60_000);
  assert.equal((await trailers)[0]['grpc-status'], '0');
});

test('a client that goes away disturbs nobody', async (context) => {
  const { url, logged } = await startManagement(context);
  const abort = new AbortController();
  const client = createClient(Health, createConnectTransport({ baseUrl: url, httpVersion: '1.1' }));
  const answers = client.watch({}, { signal: abort.signal })[Symbol.asyncIterator]();
  await answers.next();
  abort.abort();
  await assert.rejects(answers.next());
  assert.equal((await http1(url, '/healthz', {}, 'GET')).status, 200);
  assert.deepEqual(logged, []);
});

test('a port in use is told as such', async (context) => {
  const { port } = await startManagement(context);
  await assert.rejects(startManagement(context, { port }), { code: 'EADDRINUSE' });
});
