import type { Context } from '../context.ts';
import { leaveOut } from '../context.ts';
import type { Contestant } from '../measure.ts';
import { everyone, measureAll, warmUp } from '../measure.ts';
import type { Measure, Pair } from '../results.ts';
import { DIRECT, GATEWAY, GATEWAY_REDIS, SDK } from '../results.ts';
import { Scope } from '../scope.ts';
import { startDownstream, startTargets, USUAL_TARGETS } from '../targets.ts';
import { output } from '../tools.ts';

const COUNTS = [10, 1000, 10_000] as const;
const GATEWAYS = [GATEWAY, GATEWAY_REDIS] as const;

/**
 * Lists of few and of many tools; and what a call costs with few and with many of them, and with few and with many
 * sessions open.
 */
export async function lists(context: Context): Promise<Measure[]> {
  await using scope = new Scope();
  const measures: Measure[] = [];
  const byCount = new Map<number, readonly Contestant[]>();
  for (const tools of COUNTS) {
    const downstream = await startDownstream(context, scope, { tools });
    // The SDK reads 10,000 tools for longer than a sample takes.
    const names = USUAL_TARGETS.filter((name) => name !== DIRECT && !(name === SDK && tools > 1000));
    const contestants = everyone(await startTargets(context, scope, downstream, names), downstream);
    await warmUp(context, contestants);
    byCount.set(tools, contestants);
    const load = { mode: 'list', connections: 16 } as const;
    const count = tools.toLocaleString('en-US');
    const task = { id: `lists ${tools} 16`, section: 'lists', what: `tools/list of ${count}`, load } as const;
    measures.push(await measureAll(context, { ...task, unit: 'lists' }, contestants));
  }
  const few = gatewaysOf(byCount.get(10), '');
  const many = gatewaysOf(byCount.get(10_000), ', 10,000 tools');
  const load = { mode: 'call', connections: 64 } as const;
  const common = { section: 'lists', unit: 'calls', load } as const;
  const withTools = { ...common, id: 'lists call with tools', what: 'a call with 10,000 tools beside 10' };
  measures.push(
    await measureAll(context, { ...withTools, pairs: pairsOf(', 10,000 tools') }, [...few, ...many]),
  );
  const crowded = await openSessions(context, scope);
  const withSessions = {
    ...common,
    id: 'lists call with sessions',
    what: 'a call with many sessions beside few',
  };
  measures.push(
    await measureAll(context, { ...withSessions, pairs: pairsOf(', many sessions') }, [...few, ...crowded]),
  );
  return measures;
}

function gatewaysOf(contestants: readonly Contestant[] = [], suffix: string): Contestant[] {
  return contestants
    .filter(({ target }) => GATEWAYS.some((name) => name === target.name))
    .map((contestant) => ({ ...contestant, name: contestant.target.name + suffix }));
}

const pairsOf = (suffix: string): Pair[] => GATEWAYS.map((name) => [name + suffix, name]);

/** Gateways that hold many sessions without a connection. */
async function openSessions(context: Context, scope: Scope): Promise<Contestant[]> {
  const { plan, pinning, tools } = context;
  const downstream = await startDownstream(context, scope);
  const contestants: Contestant[] = [];
  for (const name of GATEWAYS) {
    const [target] = await startTargets(context, scope, downstream, [name]);
    if (target === undefined) continue;
    const command = [
      ...pinning.rest,
      ...tools.load,
      '--mode',
      'init',
      '--url',
      target.url,
      '--sessions',
      '64',
    ];
    const line = JSON.parse(
      await output([...command, '--max-ops', String(plan.manySessions), '--duration', '240']),
    );
    context.log(`${line.ops} sessions opened at the ${name}`);
    if (line.ops < plan.manySessions) {
      leaveOut(context, `calls with many sessions at the ${name}`, `${line.ops} opened ${line.firstError}`);
      continue;
    }
    contestants.push({ target, downstream, name: `${name}, many sessions` });
  }
  await warmUp(context, contestants);
  return contestants;
}
