import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { after, before, describe, it } from 'node:test';
import { type Era, type Fixture, startFixture } from '../fixture/server.ts';
import { Gateway } from '../support/gateway.ts';
import { ModernClient } from '../support/modern-client.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const TOOL = 'test_simple_text';

describe('what a server was found to speak', () => {
  const fixtures = {} as Record<Era, Fixture>;
  /** Methods of the requests that the server got, which is a fixture of this era. */
  const seen: string[] = [];
  let speaks: Era = 'legacy';
  let server: Server;
  let url: string;
  let dataDir: string;
  let gateway: Gateway;
  let id: string;

  before(async () => {
    fixtures.legacy = await startFixture(0, 'legacy');
    fixtures.modern = await startFixture(0, 'modern');
    server = createServer(async (request, response) => {
      const body = request.method === 'POST' ? await text(request) : undefined;
      const { id = null, method } = body === undefined ? {} : JSON.parse(body);
      if (body !== undefined) seen.push(method);
      if (speaks === 'modern' && request.headers['mcp-protocol-version'] !== '2026-07-28') {
        const data = { supported: ['2026-07-28'], requested: '2025-11-25' };
        const error = { code: -32022, message: 'Unsupported protocol version', data };
        response.writeHead(400, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ jsonrpc: '2.0', id, error }));
        return;
      }
      const { host: _, connection: __, 'content-length': ___, ...headers } = request.headers;
      const abort = new AbortController();
      response.on('close', () => abort.abort());
      try {
        const answer = await fetch(fixtures[speaks].url, {
          method: request.method!,
          headers: headers as Record<string, string>,
          signal: abort.signal,
          ...(body === undefined ? {} : { body }),
        });
        response.writeHead(answer.status, Object.fromEntries(answer.headers));
        response.flushHeaders();
        if (answer.body === null) response.end();
        else
          await pipeline(Readable.fromWeb(answer.body as Parameters<typeof Readable.fromWeb>[0]), response);
      } catch {
        response.destroy();
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
    dataDir = await mkdtemp(join(tmpdir(), 'dragon-era-'));
    await start();
    id = await gateway.addServer({ name: 'srv', url, toolPrefix: '' });
  });

  after(async () => {
    await gateway?.stop();
    server?.close();
    server?.closeAllConnections();
    for (const fixture of Object.values(fixtures)) await fixture.close();
    await rm(dataDir, { recursive: true, force: true });
  });

  /** A gateway that looks at no server by itself. */
  async function start(): Promise<void> {
    gateway = await Gateway.start({ dataDir, env: { DRAGON_BUILTIN_TOOLS: 'off' } });
  }

  async function call(): Promise<boolean> {
    const client = new ModernClient(gateway.mcpUrl);
    const { message } = await client.callTool(TOOL);
    client.close();
    return message?.result !== undefined;
  }

  async function era(): Promise<unknown> {
    const { server: shown } = await gateway.manage('GetMcpServer', { server: { id } });
    return (shown as { era?: string }).era;
  }

  const shows = (wanted: string) =>
    until(async () => (await era()) === wanted, { what: `the era ${wanted}`, timeoutMs: 30_000 });

  const asks = () => seen.filter((method) => method === 'server/discover').length;

  it('is shown, and outlives the gateway, which does not ask again', async () => {
    await until(call, { what: 'the server', timeoutMs: 30_000 });
    await shows('ERA_LEGACY');
    assert.ok(asks() > 0);
    await gateway.stop();
    const before = asks();
    await start();
    await until(call, { what: 'the server', timeoutMs: 30_000 });
    assert.equal(asks(), before);
  });

  it('is found out again where the server refuses what it was believed to know', async () => {
    speaks = 'modern';
    await until(call, { what: 'a call in the other era', timeoutMs: 30_000 });
    await shows('ERA_MODERN');
    speaks = 'legacy';
    await until(call, { what: 'a call in the first era', timeoutMs: 30_000 });
    await shows('ERA_LEGACY');
  });

  it('is forgotten with the address', async () => {
    const before = asks();
    await gateway.manage('UpdateMcpServer', { server: { id }, changes: { url: `${url}?other` } });
    await until(call, { what: 'the server', timeoutMs: 30_000 });
    assert.ok(asks() > before);
  });

  it('is left alone by a new name', async () => {
    await shows('ERA_LEGACY');
    const before = asks();
    await gateway.manage('UpdateMcpServer', { server: { id }, changes: { name: 'renamed' } });
    assert.equal(await era(), 'ERA_LEGACY');
    await until(call, { what: 'the server', timeoutMs: 30_000 });
    assert.equal(asks(), before);
  });

  it('spares legacy clients of a modern server the question for sessions', async () => {
    speaks = 'modern';
    await gateway.manage('UpdateMcpServer', { server: { id }, changes: { url } });
    const called = async () => {
      const client = new RawClient(gateway.mcpUrl);
      await client.initialize();
      const { message } = await client.callTool(TOOL);
      await client.delete();
      client.close();
      return message?.result !== undefined;
    };
    await until(called, { what: 'the server', timeoutMs: 30_000 });
    await gateway.stop();
    await start();
    seen.length = 0;
    await until(called, { what: 'the server', timeoutMs: 30_000 });
    assert.ok(!seen.includes('initialize'), seen.join());
  });
});
