import type { Context } from '../context.ts';
import { everyone, measureAll, warmUp } from '../measure.ts';
import type { Measure } from '../results.ts';
import { Scope } from '../scope.ts';
import { startDownstream, startTargets } from '../targets.ts';

/** Beyond this a sample would take its time to hold sessions, not to start them. */
const MAX_STARTS = 20_000;

/** Sessions started, each with `initialize` and `notifications/initialized`. */
export async function starts(context: Context): Promise<Measure[]> {
  await using scope = new Scope();
  const downstream = await startDownstream(context, scope);
  const targets = everyone(await startTargets(context, scope, downstream), downstream);
  await warmUp(context, targets);
  const load = { mode: 'init', connections: 64, maxOperations: MAX_STARTS } as const;
  const task = {
    id: 'starts 64',
    section: 'starts',
    what: 'sessions started',
    unit: 'starts',
    load,
  } as const;
  return [await measureAll(context, task, targets)];
}
