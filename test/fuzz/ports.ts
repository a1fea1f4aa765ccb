import assert from 'node:assert/strict';
import { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import type { Random } from '../support/random.ts';
import { RawClient } from '../support/raw-client.ts';
import { textOf } from '../support/rpc.ts';
import { attack, type Tally } from './campaign.ts';
import { managementSamples, recordedConnections } from './management-samples.ts';
import { mcpSamples } from './mcp-samples.ts';
import { mutated, mutatedBytes } from './mutate.ts';

export type Port = 'mcp' | 'management';

export interface Attack {
  readonly port: Port;
  readonly count: number;
  readonly seed: number;
}

/** Starts a gateway with a server behind it, and attacks one of its ports. See {@link attack}. */
export async function attackPort({ port, count, seed }: Attack): Promise<Tally> {
  const server = await CountingServer.start({
    resources: [{ uri: 'one://r', name: 'r' }],
    prompts: [{ name: 'p' }],
  });
  const gateway = await Gateway.start({
    // What is asked of the gateway is to be its own matter: no process is started, and nothing else is connected to.
    env: { DRAGON_STDIO: 'off', DRAGON_ALLOWED_NETWORKS: 'loopback', DRAGON_SSE_ENDPOINT: 'on' },
  });
  try {
    await gateway.addServer({ name: 'one', url: server.url });
    return await (port === 'mcp' ? attackMcp : attackManagement)(gateway, count, seed);
  } finally {
    await gateway.stop();
    await server.close();
  }
}

async function attackMcp(gateway: Gateway, count: number, seed: number): Promise<Tally> {
  const client = new RawClient(gateway.mcpUrl);
  await client.initialize();
  // A session of its own, since some of the requests end it.
  const attacked = new RawClient(gateway.mcpUrl);
  const { host } = new URL(gateway.mcpUrl);
  let samples = mcpSamples(host, '');
  const check = async () => {
    const { message } = await client.callTool('one__echo', { text: 'good' });
    assert.equal(textOf(message!), 'good');
    await attacked.initialize();
    samples = mcpSamples(host, attacked.sessionId ?? '');
  };
  const next = (random: Random) => mutated(random, samples[random.below(samples.length)]!);
  try {
    await check();
    return await attack({ gateway, url: gateway.mcpUrl, count, seed, next, check });
  } finally {
    client.close();
    attacked.close();
  }
}

async function attackManagement(gateway: Gateway, count: number, seed: number): Promise<Tally> {
  const url = gateway.grpcUrl;
  const samples = managementSamples(new URL(url).host);
  const connections = await recordedConnections(url);
  const next = (random: Random) =>
    random.below(4) === 0
      ? mutatedBytes(random, connections[random.below(connections.length)]!)
      : mutated(random, samples[random.below(samples.length)]!);
  const check = async () => {
    const { server } = await gateway.manage('GetMcpServer', { server: { name: 'one' } });
    assert.equal((server as { name: string }).name, 'one');
  };
  return attack({ gateway, url, count, seed, next, check });
}
