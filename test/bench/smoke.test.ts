import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client } from './client.ts';
import { DOWNSTREAM_ON_NODE, startServer } from './tools.ts';

const RUN = fileURLToPath(new URL('./run.ts', import.meta.url));
const script = (name: string) => fileURLToPath(new URL(name, import.meta.url));

test('a small run calls through the gateway and others, and tells what came of it', async () => {
  const args = [RUN, 'quick', 'eras', '--rounds', '1', '--seconds', '0.2', '--warmup', '0'];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  for (const name of [
    'bare proxy, legacy both',
    'legacy client, legacy server',
    'modern client, legacy server',
    'bare proxy, modern both',
    'legacy client, modern server',
    'modern client, modern server',
  ]) {
    assert.match(stdout, new RegExp(`round 1, eras, JSON, 100 B, ${name}: [\\d.]+ calls/s`));
  }
  assert.match(stdout, /\| modern client, legacy server \| legacy client, legacy server \|/);
});

test('what stands between passes calls on', async (t) => {
  const pad = 100_000;
  const start = async (command: readonly string[]) => {
    const { process: child, line } = await startServer(command);
    t.after(() => child.kill());
    return line;
  };
  const plain = await start(DOWNSTREAM_ON_NODE);
  const large = await start([...DOWNSTREAM_ON_NODE, '--pad', String(pad)]);
  const modern = await start([...DOWNSTREAM_ON_NODE, '--era', 'modern']);
  const streaming = await start([...DOWNSTREAM_ON_NODE, '--answers', 'sse']);
  const proxyOf = (url: string) => start([process.execPath, script('./proxy.ts'), url]);
  const sdkOf = (url: string) => start([process.execPath, script('./sdk-gateway.ts'), url]);
  for (const [url, era] of [
    [plain, 'legacy'],
    [large, 'legacy'],
    [modern, 'modern'],
    [await proxyOf(plain), 'legacy'],
    [await proxyOf(modern), 'modern'],
    [await sdkOf(plain), 'legacy'],
    [await sdkOf(large), 'legacy'],
    [await sdkOf(streaming), 'legacy'],
  ] as const) {
    const client = await Client.open([new URL(url)], 'echo', 100, era);
    assert.equal(await client.call(), undefined, url);
    assert.equal(await client.call(), undefined, url);
    client.close();
  }
});
