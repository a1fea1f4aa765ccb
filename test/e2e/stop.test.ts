import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { it, type TestContext } from 'node:test';
import { CountingServer } from '../support/counting-http.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { RawClient } from '../support/raw-client.ts';
import { notification, request, textOf } from '../support/rpc.ts';
import { readSse } from '../support/sse.ts';
import { until } from '../support/wait.ts';

async function start(t: TestContext, env: Readonly<Record<string, string>> = {}) {
  const [gateway, server] = await Promise.all([startGateway({ env }), CountingServer.start()]);
  t.after(async () => {
    server.peer.release();
    if (gateway.isRunning) await gateway.stop('SIGINT');
    await server.close();
  });
  await gateway.addServer({ name: 'one', url: server.url });
  return { gateway, server };
}

async function connect(t: TestContext, gateway: Gateway): Promise<RawClient> {
  const client = new RawClient(gateway.mcpUrl);
  t.after(() => client.close());
  await client.initialize();
  return client;
}

const notReady = (gateway: Gateway) =>
  until(async () => (await fetch(`${gateway.opsUrl}/ready`)).status === 503, { what: 'the stop to begin' });

it('one gateway alone lets calls end when it is asked to stop, and opens no session that would end with it', async (t) => {
  const { gateway, server } = await start(t, { DRAGON_DRAIN_DELAY_MS: '1000' });
  const client = await connect(t, gateway);
  const call = client.callTool('one__hold');
  await until(() => server.peer.held === 1, { what: 'the call to run' });
  const newcomer = new RawClient(gateway.mcpUrl);
  t.after(() => newcomer.close());
  const stopped = gateway.stop('SIGTERM');
  await notReady(gateway);
  const { status, headers } = await newcomer.initialize();
  assert.equal(status, 503);
  assert.equal(headers['retry-after'], '1');
  server.peer.release();
  assert.equal(textOf((await call).message!), 'released');
  assert.equal(await stopped, 0);
  assert.equal(server.openSessions.length, 0);
});

it('Ctrl-C waits for calls and for no balancer, whatever clients keep open', async (t) => {
  const { gateway, server } = await start(t, { DRAGON_DRAIN_DELAY_MS: '600000' });
  const client = await connect(t, gateway);
  const stream = await client.stream();
  const call = client.callTool('one__hold');
  await until(() => server.peer.held === 1, { what: 'the call to run' });
  const stopped = gateway.stop('SIGINT');
  await notReady(gateway);
  server.peer.release();
  assert.equal(textOf((await call).message!), 'released');
  assert.equal(await stopped, 0);
  assert.equal(await stream.next(), undefined);
});

it('a client of the older transport gets its answer before its stream ends', async (t) => {
  const { gateway, server } = await start(t, { DRAGON_SSE_ENDPOINT: 'on' });
  const base = new URL(gateway.mcpUrl).origin;
  const [stream] = (await once(get(`${base}/sse`), 'response')) as [IncomingMessage];
  const events = readSse(stream);
  const endpoint = new URL((await events.next()).value!.data, base);
  const post = (message: unknown) =>
    fetch(endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(message),
    });
  const clientInfo = { name: 'old', version: '1' };
  await post(request(1, 'initialize', { protocolVersion: '2024-11-05', capabilities: {}, clientInfo }));
  await events.next();
  await post(notification('notifications/initialized'));
  await post(request(2, 'tools/call', { name: 'one__hold', arguments: {} }));
  await until(() => server.peer.held === 1, { what: 'the call to run' });
  const stopped = gateway.stop('SIGTERM');
  await notReady(gateway);
  server.peer.release();
  const answers: string[] = [];
  for await (const { message } of events) if (message !== undefined) answers.push(textOf(message));
  assert.deepEqual(answers, ['released']);
  assert.equal(await stopped, 0);
});
