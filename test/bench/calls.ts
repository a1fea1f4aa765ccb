/**
 * `npm run bench [-- --rounds N --seconds S --warmup S --connections N,N,…]`: tools/call directly, through a bare proxy,
 * and through the gateway. With the default load it writes docs/performance.md.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startGateway } from '../support/gateway.ts';
import type { Sample, Target } from './measure.ts';
import { measure, median } from './measure.ts';
import type { Row } from './report.ts';
import { page, table } from './report.ts';
import { findPinning, findTools, freePort, startServer } from './tools.ts';

const PAYLOAD_BYTES = 100;
const TARGETS = ['direct', 'proxy', 'gateway'] as const;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    warmup: { type: 'string' },
    connections: { type: 'string' },
  },
});
const rounds = Number(values.rounds ?? 3);
const seconds = Number(values.seconds ?? 8);
const warmupSeconds = Number(values.warmup ?? 2);
const connectionCounts = (values.connections ?? '1,16,64').split(',').map(Number);

const folder = await mkdtemp(join(tmpdir(), 'dragon-bench-'));
const cleanUp: (() => unknown)[] = [() => rm(folder, { recursive: true, force: true })];
try {
  const tools = await findTools(folder);
  const pinning = await findPinning();
  console.log(`${tools.description}; ${pinning.description}`);

  const port = await freePort();
  const downstream = await startServer([...pinning.rest, ...tools.downstream(port)]);
  cleanUp.push(() => downstream.process.kill());
  const downstreamUrl = /http:\S+/.exec(downstream.line)?.[0] ?? `http://127.0.0.1:${port}/mcp`;

  const proxyScript = fileURLToPath(new URL('./proxy.ts', import.meta.url));
  const proxy = await startServer([...pinning.proxy, process.execPath, proxyScript, downstreamUrl]);
  cleanUp.push(() => proxy.process.kill());

  const gateway = await startGateway({ prefix: pinning.proxy, env: { DRAGON_BUILTIN_TOOLS: 'off' } });
  cleanUp.push(() => gateway.stop());
  await gateway.addServer({ name: 'bench', url: downstreamUrl, toolPrefix: '' });

  const targets: Record<(typeof TARGETS)[number], Target> = {
    direct: { name: 'direct', url: downstreamUrl },
    proxy: { name: 'bare proxy', url: proxy.line, pid: proxy.process.pid! },
    gateway: { name: 'gateway', url: gateway.mcpUrl, pid: gateway.process.pid! },
  };

  const rows: Row[] = [];
  for (const connections of connectionCounts) {
    const samples = { direct: [] as Sample[], proxy: [] as Sample[], gateway: [] as Sample[] };
    const load = { connections, payloadBytes: PAYLOAD_BYTES, seconds, warmupSeconds };
    // Target by target within a round: whatever drifts on the machine meets all of them.
    for (let round = 1; round <= rounds; round++) {
      for (const target of TARGETS) {
        const sample = await measure(tools, pinning.rest, targets[target], downstream.process.pid!, load);
        samples[target].push(sample);
        const rate = Math.round(sample.callsPerSecond);
        console.log(`round ${round}, ${connections} connections, ${target}: ${rate} calls/s`);
      }
    }
    rows.push({
      connections,
      direct: median(samples.direct),
      proxy: median(samples.proxy),
      gateway: median(samples.gateway),
    });
  }

  console.log(table(rows));
  const isDefault = values.seconds === undefined && values.connections === undefined && rounds >= 3;
  if (isDefault) {
    const conditions = {
      tools: tools.description,
      pinning: pinning.description,
      rounds,
      seconds,
      payloadBytes: PAYLOAD_BYTES,
    };
    await writeFile(new URL('../../docs/performance.md', import.meta.url), page(rows, conditions));
  }
} finally {
  for (const clean of cleanUp.reverse()) await clean();
}
