import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { unavailable } from '../../src/coordination/unavailable.ts';
import { type OpsServerOptions, startOpsServer } from '../../src/edge/ops.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { createMetrics } from '../../src/telemetry/metrics.ts';
import { untilRefused } from '../support/raw-socket.ts';

async function startOps(context: TestContext, options: Partial<OpsServerOptions> = {}) {
  const metrics = createMetrics({ version: '1.0.0', nodeId: 'n1' });
  const readiness = { ready: true, reasons: [] as string[] };
  const logged: string[] = [];
  const server = await startOpsServer({
    host: '127.0.0.1',
    port: 0,
    readiness: () => readiness,
    members: async () => [
      {
        id: 'n1',
        address: '127.0.0.1:8081',
        version: '1.0.0',
        started: '2026-01-01T00:00:00.000Z',
        sessions: 2,
        streams: 1,
        state: 'ready',
      },
    ],
    metrics,
    logger: createLogger({
      level: 'info',
      format: 'json',
      node: 'n1',
      destination: { write: (line: string) => void logged.push(line) },
    }),
    ...options,
  });
  let closed: Promise<void> | undefined;
  const close = (graceMs: number) => {
    closed ??= server.close(graceMs);
    return closed;
  };
  context.after(async () => {
    await close(0);
    await metrics.shutdown();
  });
  return { url: `http://127.0.0.1:${server.port}`, port: server.port, metrics, readiness, logged, close };
}

test('alive whatever else, ready only while it is', async (context) => {
  const { url, readiness } = await startOps(context);
  assert.deepEqual(await (await fetch(`${url}/ready`)).json(), { ready: true, reasons: [] });
  readiness.ready = false;
  readiness.reasons = ['database: not connected', 'draining'];
  const response = await fetch(`${url}/ready`);
  assert.equal(response.status, 503);
  assert.deepEqual(await response.json(), { ready: false, reasons: ['database: not connected', 'draining'] });
  assert.equal((await fetch(`${url}/alive`)).status, 200);
});

test('members are a JSON array', async (context) => {
  const { url } = await startOps(context);
  const response = await fetch(`${url}/cluster/members`);
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type') ?? '', /^application\/json/);
  const [member] = (await response.json()) as Record<string, unknown>[];
  assert.deepEqual(Object.keys(member!).sort(), [
    'address',
    'id',
    'sessions',
    'started',
    'state',
    'streams',
    'version',
  ]);
});

test('metrics are in the text format of Prometheus', async (context) => {
  const { url, metrics } = await startOps(context);
  metrics.request('ping', 'ok', 0.01);
  metrics.observe({ sessions: () => 2 });
  const response = await fetch(`${url}/metrics`);
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  const body = await response.text();
  assert.match(body, /^dragon_requests_total\{method="ping",face="legacy",outcome="ok"\} 1$/m);
  assert.match(body, /^dragon_sessions 2$/m);
});

test('other paths and methods are refused', async (context) => {
  const { url } = await startOps(context);
  assert.equal((await fetch(`${url}/`)).status, 404);
  assert.equal((await fetch(`${url}/alive`, { method: 'POST' })).status, 404);
  assert.equal((await fetch(`${url}/metrics`, { method: 'HEAD' })).status, 200);
});

test('a failure inside is logged and not shown', async (context) => {
  const { url, logged } = await startOps(context, {
    members: async () => {
      throw new Error('redis://:secret@host is away');
    },
  });
  const response = await fetch(`${url}/cluster/members`);
  assert.equal(response.status, 500);
  assert.deepEqual(await response.json(), { error: 'Internal error' });
  assert.match(logged.join(''), /is away/);
  assert.doesNotMatch(logged.join(''), /secret@/);
});

test('members that cannot be known now are unavailable, and no failure', async (context) => {
  const { url, logged } = await startOps(context, {
    members: async () => {
      throw unavailable();
    },
  });
  const response = await fetch(`${url}/cluster/members`);
  assert.equal(response.status, 503);
  assert.equal(response.headers.get('retry-after'), '1');
  assert.deepEqual(logged, []);
});

test('pages and names from elsewhere are refused on loopback', async (context) => {
  const { url } = await startOps(context);
  for (const headers of [{ host: 'evil.example.com' }, { origin: 'https://evil.example.com' }]) {
    const request = httpRequest(`${url}/metrics`, { headers, agent: false });
    request.end();
    const [response] = await once(request, 'response');
    response.resume();
    assert.equal(response.statusCode, 403);
  }
});

test('closing lets an answer finish and takes no new connection', async (context) => {
  const gate = Promise.withResolvers<string>();
  const asked = Promise.withResolvers<void>();
  const { url, port, close } = await startOps(context, {
    metrics: {
      scrape: () => {
        asked.resolve();
        return gate.promise;
      },
    },
  });
  const scraping = fetch(`${url}/metrics`, { headers: { connection: 'close' } });
  await asked.promise;
  const closed = close(60_000);
  await untilRefused(port);
  gate.resolve('x 1\n');
  assert.equal(await (await scraping).text(), 'x 1\n');
  await closed;
});

test('closing cuts what does not finish in time', async (context) => {
  const { port, close } = await startOps(context);
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write('GET /alive HTTP/1.1\r\nHost: loc');
  const rest = text(socket);
  await close(0);
  await rest;
});
