import type { Context } from '../context.ts';
import { startBenchGateway } from '../context.ts';
import type { Contestant } from '../measure.ts';
import { measureAll, warmUp } from '../measure.ts';
import type { Measure, Pair } from '../results.ts';
import { GATEWAY, PROXY } from '../results.ts';
import { Scope } from '../scope.ts';
import type { Target } from '../targets.ts';
import { startDownstream, startTarget } from '../targets.ts';
import { DOWNSTREAM_ON_NODE } from '../tools.ts';

const ERAS = ['legacy', 'modern'] as const;

const nameOf = (client: string, server: string) => `${client} client, ${server} server`;

/**
 * Calls of clients of both eras to servers of both, through one gateway. Clients and servers are on Node, which is slower
 * than what is measured: it is the CPU time of the gateway that tells.
 */
export async function eras(context: Context): Promise<Measure[]> {
  await using scope = new Scope();
  const gateway = await startBenchGateway(context, scope, {});
  const target: Target = { name: GATEWAY, url: gateway.mcpUrl, pid: gateway.process.pid!, helpers: [] };
  const contestants: Contestant[] = [];
  for (const server of ERAS) {
    const downstream = await startDownstream(context, scope, [...DOWNSTREAM_ON_NODE, '--era', server]);
    await gateway.addServer({ name: server, url: downstream.url });
    const proxy = await startTarget(context, scope, downstream, PROXY);
    contestants.push({
      ...{ target: proxy, downstream, name: `${PROXY}, ${server} both` },
      load: { era: server },
    });
    for (const client of ERAS) {
      const load = { era: client, tool: `${server}__echo` };
      contestants.push({ target, downstream, name: nameOf(client, server), load });
    }
  }
  await warmUp(context, contestants);
  const load = { mode: 'call', connections: 64 } as const;
  const task = { id: 'eras 64', section: 'eras', what: 'JSON, 100 B', unit: 'calls', load } as const;
  return [await measureAll(context, { ...task, pairs: PAIRS }, contestants)];
}

const PAIRS: readonly Pair[] = [
  [nameOf('legacy', 'legacy'), `${PROXY}, legacy both`],
  [nameOf('modern', 'modern'), `${PROXY}, modern both`],
  [nameOf('modern', 'legacy'), nameOf('legacy', 'legacy')],
  [nameOf('legacy', 'modern'), nameOf('legacy', 'legacy')],
];
