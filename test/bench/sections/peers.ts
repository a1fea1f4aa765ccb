import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../../support/wait.ts';
import type { Context } from '../context.ts';
import { leaveOut } from '../context.ts';
import type { Contestant } from '../measure.ts';
import { everyone, measureAll, warmUp } from '../measure.ts';
import { installPeers, type PeerName } from '../peers/install.ts';
import type { Measure, Pair } from '../results.ts';
import { GATEWAY, PROXY, SDK } from '../results.ts';
import { Scope } from '../scope.ts';
import type { Downstream } from '../targets.ts';
import { startDownstream, startTargets } from '../targets.ts';
import { freePort } from '../tools.ts';

const FASTMCP = fileURLToPath(new URL('../peers/fastmcp-gateway.ts', import.meta.url));

/** What the peers do here, as their rows have it. */
const PEER_ROWS: Readonly<Record<PeerName, string>> = {
  'mcp-proxy': 'mcp-proxy (in front of a command)',
  supergateway: 'supergateway (in front of a command for each session)',
  fastmcp: 'fastmcp (server made with it, SDK client behind)',
};

/** Calls through packages of npm that do a part of what the gateway does. */
export async function peers(context: Context): Promise<Measure[]> {
  await using scope = new Scope();
  const { tools } = context;
  const folder = await installPeers().catch((error: unknown) => {
    leaveOut(context, 'peers, which cannot be installed', error);
  });
  if (folder === undefined) return [];
  const downstream = await startDownstream(context, scope);
  const targets = await startTargets(context, scope, downstream, [PROXY, GATEWAY, SDK]);
  const contestants: Contestant[] = everyone(targets, downstream);
  for (const peer of Object.keys(PEER_ROWS) as PeerName[]) {
    try {
      const port = await freePort();
      const command = commandOf(peer, { folder, port, downstream, stdio: commandBehind(context) });
      contestants.push(await startPeer(context, scope, { peer, port, command, downstream }));
    } catch (error) {
      leaveOut(context, peer, error);
    }
  }
  const pairs = Object.values(PEER_ROWS).map((name): Pair => [GATEWAY, name]);
  await warmUp(context, contestants);
  const load = { mode: 'call', connections: tools.isInC ? 64 : 16, payloadBytes: 100 } as const;
  const task = { id: 'peers 64', section: 'peers', what: 'JSON, 100 B', unit: 'calls', load, pairs } as const;
  return [await measureAll(context, task, contestants)];
}

/** The server as a command, kept off the core of what is measured. */
function commandBehind({ tools, pinning }: Context): readonly string[] | undefined {
  return tools.stdio === undefined ? undefined : [...pinning.rest, ...tools.stdio];
}

interface Where {
  readonly folder: string;
  readonly port: number;
  readonly downstream: Downstream;
  readonly stdio: readonly string[] | undefined;
}

function commandOf(peer: PeerName, { folder, port, downstream, stdio }: Where): string[] {
  const at = String(port);
  const packages = join(folder, 'node_modules');
  if (peer === 'fastmcp') return [FASTMCP, folder, at, downstream.url];
  if (stdio === undefined) throw new Error('there is no server here that is a command');
  switch (peer) {
    case 'mcp-proxy': {
      const script = join(packages, 'mcp-proxy', 'dist', 'bin', 'mcp-proxy.mjs');
      return [script, '--host', '127.0.0.1', '--port', at, '--server', 'stream', '--', ...stdio];
    }
    case 'supergateway': {
      const script = join(packages, 'supergateway', 'dist', 'index.js');
      const out = ['--outputTransport', 'streamableHttp', '--stateful', '--sessionTimeout', '60000'];
      return [script, '--stdio', stdio.join(' '), ...out, '--port', at, '--logLevel', 'none'];
    }
    default:
      return peer satisfies never;
  }
}

interface Peer {
  readonly peer: PeerName;
  readonly port: number;
  readonly command: readonly string[];
  readonly downstream: Downstream;
}

async function startPeer(
  { pinning }: Context,
  scope: Scope,
  { peer, port, command, downstream }: Peer,
): Promise<Contestant> {
  const [file, ...args] = [...pinning.proxy, process.execPath, ...command];
  const child = spawn(file!, args, { stdio: 'ignore' });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const closed = once(child, 'close').finally(() => process.off('exit', kill));
  scope.onEnd(async () => {
    child.kill();
    const late = setTimeout(kill, 10_000);
    await closed;
    clearTimeout(late);
  });
  const url = `http://127.0.0.1:${port}/mcp`;
  const isThere = () => fetch(url, { method: 'POST', body: '{}' }).then(({ status }) => status > 0);
  await until(() => isThere(), { what: peer, timeoutMs: 30_000 });
  const common = { name: PEER_ROWS[peer], url, helpers: [], hasUnknownHelpers: true };
  return { target: { ...common, pid: child.pid! }, downstream };
}
