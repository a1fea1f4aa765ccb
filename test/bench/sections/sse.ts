import type { Context } from '../context.ts';
import { everyone, measureAll, warmUp } from '../measure.ts';
import type { Measure } from '../results.ts';
import { Scope } from '../scope.ts';
import { startDownstream, startTargets } from '../targets.ts';

const SIZES = [
  ['100 B', 100],
  ['10 KB', 10_000],
] as const;

/** Calls that the server behind answers with a stream of one event. */
export async function sse(context: Context): Promise<Measure[]> {
  await using scope = new Scope();
  const downstream = await startDownstream(context, scope, { answers: 'sse' });
  const targets = everyone(await startTargets(context, scope, downstream), downstream);
  await warmUp(context, targets);
  const measures: Measure[] = [];
  for (const [size, payloadBytes] of SIZES) {
    const load = { mode: 'call', connections: 64, payloadBytes } as const;
    const task = { id: `sse ${size} 64`, section: 'sse', what: `SSE, ${size}`, unit: 'calls', load } as const;
    measures.push(await measureAll(context, task, targets));
  }
  return measures;
}
