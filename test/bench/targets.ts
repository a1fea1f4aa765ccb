import { fileURLToPath } from 'node:url';
import type { Context } from './context.ts';
import { leaveOut, startBenchGateway } from './context.ts';
import { startBareNginx } from './nginx.ts';
import { DIRECT, GATEWAY, GATEWAY_REDIS, NGINX, PROXY, SDK } from './results.ts';
import type { Scope } from './scope.ts';
import type { DownstreamOptions } from './tools.ts';
import { freePort, startServer } from './tools.ts';

/** What is put under load. */
export interface Target {
  readonly name: string;
  readonly url: string;
  /** The process whose CPU time and memory count; none for the downstream itself. */
  readonly pid?: number;
  /** Processes that work for it: they count neither for it nor as noise. */
  readonly helpers: readonly number[];
  /** It starts processes that are nobody's to count: what is noise cannot be told. */
  readonly hasUnknownHelpers?: boolean;
  /** Where the Node inspector of the process listens, if it was started with one. */
  readonly inspectorUrl?: string;
}

export interface Downstream {
  readonly url: string;
  readonly pid: number;
}

export const USUAL_TARGETS = [DIRECT, PROXY, NGINX, GATEWAY, GATEWAY_REDIS, SDK] as const;
export type TargetName = (typeof USUAL_TARGETS)[number];

const SCRIPTS = {
  [PROXY]: fileURLToPath(new URL('./proxy.ts', import.meta.url)),
  [SDK]: fileURLToPath(new URL('./sdk-gateway.ts', import.meta.url)),
};

/** For processes on Node: their inspector on a free port. */
const INSPECTED = '--inspect=127.0.0.1:0';

/** Starts the server that is behind what is measured. */
export async function startDownstream(
  { tools, pinning }: Context,
  scope: Scope,
  options: DownstreamOptions | readonly string[] = {},
): Promise<Downstream> {
  const port = await freePort();
  const command = isCommand(options) ? options : tools.downstream(port, options);
  const { process: child, line } = await startServer([...pinning.rest, ...command]);
  scope.onEnd(() => child.kill());
  return { url: /http:\S+/.exec(line)?.[0] ?? `http://127.0.0.1:${port}/mcp`, pid: child.pid! };
}

const isCommand = (options: DownstreamOptions | readonly string[]): options is readonly string[] =>
  Array.isArray(options);

/** Starts those of the targets that can be here in front of a server. */
export async function startTargets(
  context: Context,
  scope: Scope,
  downstream: Downstream,
  names: readonly TargetName[] = USUAL_TARGETS,
): Promise<Target[]> {
  const started: Target[] = [];
  for (const name of names) {
    try {
      const target = await startTarget(context, scope, downstream, name);
      if (target !== undefined) started.push(target);
    } catch (error) {
      leaveOut(context, name, error);
    }
  }
  return started;
}

/** Starts one in front of a server. Throws where it cannot be here. */
export async function startTarget(
  context: Context,
  scope: Scope,
  downstream: Downstream,
  name: TargetName,
  { isInspected = false }: { readonly isInspected?: boolean } = {},
): Promise<Target> {
  const { pinning, nginx, folder } = context;
  const common = { name, helpers: [] as number[] };
  switch (name) {
    case DIRECT:
      return { ...common, url: downstream.url };
    case NGINX:
      if (nginx === undefined) throw new Error('it is not installed');
      return {
        ...common,
        ...(await startBareNginx(scope, nginx, pinning.proxy, new URL(downstream.url), folder)),
      };
    case PROXY:
    case SDK: {
      const node = [process.execPath, ...(isInspected ? [INSPECTED] : [])];
      const server = await startServer([...pinning.proxy, ...node, SCRIPTS[name], downstream.url]);
      scope.onEnd(() => server.process.kill());
      return { ...common, url: server.line, pid: server.process.pid!, ...inspectorOf(server.errors) };
    }
    case GATEWAY:
    case GATEWAY_REDIS: {
      const store = name === GATEWAY_REDIS ? await context.stores.fresh() : undefined;
      const env = { ...store?.env, ...(isInspected && { NODE_OPTIONS: INSPECTED }) };
      const gateway = await startBenchGateway(context, scope, env);
      await gateway.addServer({ name: 'bench', url: downstream.url, toolPrefix: '' });
      return {
        ...common,
        url: gateway.mcpUrl,
        pid: gateway.process.pid!,
        helpers: store === undefined ? [] : [store.redisPid],
        ...inspectorOf(gateway.output),
      };
    }
    default:
      return name satisfies never;
  }
}

/** Node says it first thing, on stderr. */
function inspectorOf(output: string): { inspectorUrl: string } | undefined {
  const url = /^Debugger listening on (ws:\S+)$/m.exec(output)?.[1];
  return url === undefined ? undefined : { inspectorUrl: url };
}
