import type { Context } from '../context.ts';
import { everyone, measureAll, warmUp } from '../measure.ts';
import type { Measure } from '../results.ts';
import { DIRECT, SDK } from '../results.ts';
import { Scope } from '../scope.ts';
import { startDownstream, startTargets } from '../targets.ts';
import { DOWNSTREAM_ON_NODE } from '../tools.ts';

const MIB = 1_000_000;

/** Calls answered in JSON: the curve over connections with small answers, and larger ones. */
export async function calls(context: Context): Promise<Measure[]> {
  const measures: Measure[] = [];
  const common = { section: 'calls', unit: 'calls' } as const;
  {
    await using scope = new Scope();
    const downstream = await startDownstream(context, scope);
    const targets = await startTargets(context, scope, downstream);
    const all = everyone(targets, downstream);
    await warmUp(context, all);
    const gateways = everyone(
      targets.filter(({ name }) => name !== DIRECT && name !== SDK),
      downstream,
    );
    for (const connections of context.plan.connections) {
      const load = { mode: 'call', connections, payloadBytes: 100 } as const;
      const id = `calls JSON 100 B ${connections}`;
      measures.push(await measureAll(context, { ...common, id, what: 'JSON, 100 B', load }, all));
    }
    const medium = { mode: 'call', connections: 64, payloadBytes: 10_000 } as const;
    measures.push(
      await measureAll(
        context,
        { ...common, id: 'calls JSON 10 KB 64', what: 'JSON, 10 KB', load: medium },
        all,
      ),
    );
    const large = { mode: 'call', connections: 16, payloadBytes: MIB } as const;
    const both = { ...common, id: 'calls JSON 1 MB both ways 16', what: 'JSON, 1 MB there and back' };
    measures.push(await measureAll(context, { ...both, load: large }, gateways));
  }
  await using scope = new Scope();
  const command = [...DOWNSTREAM_ON_NODE, '--pad', String(MIB)];
  const downstream = await startDownstream(context, scope, command);
  const targets = everyone(await startTargets(context, scope, downstream), downstream);
  await warmUp(context, targets);
  const load = { mode: 'call', connections: 16, payloadBytes: 100 } as const;
  const id = 'calls JSON 1 MB 16';
  measures.push(await measureAll(context, { ...common, id, what: 'JSON, 1 MB', load }, targets));
  return measures;
}
