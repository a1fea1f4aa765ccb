import type { Context } from './context.ts';
import type { Section } from './options.ts';
import { quiet } from './quiet.ts';
import type { Measure, Pair, Sample } from './results.ts';
import type { Downstream, Target } from './targets.ts';
import { LOAD_ON_NODE, output } from './tools.ts';

/** What is done to a target. */
interface Load {
  readonly mode: 'call' | 'list' | 'init';
  readonly connections: number;
  readonly payloadBytes?: number;
  readonly tool?: string;
  /** Ends the sample before its time. */
  readonly maxOperations?: number;
  /** Played by the load generator on Node, by clients of an era. */
  readonly era?: 'legacy' | 'modern';
}

export interface Task {
  readonly id: string;
  readonly section: Section;
  readonly what: string;
  readonly unit: string;
  readonly load: Load;
  readonly pairs?: readonly Pair[];
}

/** A target, and what it does with which load, where it is not that of the task. */
export interface Contestant {
  readonly target: Target;
  readonly downstream: Downstream;
  /** Default: that of the target. */
  readonly name?: string;
  readonly load?: Partial<Load>;
}

/** Above this share of a core, something else on the machine disturbed the measurement. */
export const NOISE = 0.1;

/** Tries at a quiet measurement before the quietest of them is taken. */
const TRIES = 3;

/**
 * Puts all targets under the same load, target by target within a round: whatever drifts on the machine meets all of
 * them. What fails is said, and kept with the samples.
 */
export async function measureAll(
  context: Context,
  task: Task,
  contestants: readonly Contestant[],
): Promise<Measure> {
  const { plan, log } = context;
  const samples: Record<string, Sample[]> = {};
  for (let round = 1; round <= plan.rounds; round++) {
    for (const contestant of contestants) {
      const name = contestant.name ?? contestant.target.name;
      const load = { ...task.load, ...contestant.load };
      const sample = await measure(context, contestant, load);
      samples[name] ??= [];
      samples[name].push(sample);
      const rate = sample.perSecond < 100 ? sample.perSecond.toFixed(1) : Math.round(sample.perSecond);
      const cpu = sample.cpuMs === undefined ? '' : `, ${sample.cpuMs.toFixed(4)} ms of CPU each`;
      log(`round ${round}, ${task.section}, ${task.what}, ${name}: ${rate} ${task.unit}/s${cpu}`);
      if (sample.errors > 0) log(`  ${sample.errors} FAILED: ${sample.firstError}`);
    }
  }
  const { id, section, what, unit, load, pairs } = task;
  return { id, section, what, unit, connections: load.connections, samples, ...(pairs && { pairs }) };
}

/** Seconds of load after which a target counts as warm: at least, at most. */
const WARM_UP = [2, 20] as const;

/** A second that costs so much of the cheapest before is as cheap as it gets; after that many of them it is believed. */
const AS_CHEAP = 0.97;
const BELIEVED = 2;

/**
 * Lets processes that have just started compile what is hot and get the memory they work in, until calls become no cheaper. On some
 * machines that takes many times as long as what comes before a sample.
 */
export async function warmUp(context: Context, contestants: readonly Contestant[]): Promise<void> {
  const { isQuick } = context.plan;
  const brief = { ...context, plan: { ...context.plan, seconds: isQuick ? 0.7 : 1, warmupSeconds: 0 } };
  for (const contestant of contestants) {
    if (contestant.target.pid === undefined) continue;
    let cheapest = Infinity;
    let [count, steady] = [0, 0];
    while (count < (isQuick ? 1 : WARM_UP[1]) && (count < WARM_UP[0] || steady < BELIEVED)) {
      const load: Load = { mode: 'call', connections: 16, ...contestant.load };
      const { cpuMs = cheapest } = await measureOnce(brief, contestant, load);
      steady = cpuMs < cheapest * AS_CHEAP ? 0 : steady + 1;
      cheapest = Math.min(cheapest, cpuMs);
      count++;
    }
  }
}

/** One sample, taken again while something else disturbs it. */
async function measure(context: Context, contestant: Contestant, load: Load): Promise<Sample> {
  let quietest = await measureOnce(context, contestant, load);
  for (let tried = 1; tried < TRIES && (quietest.otherCpu ?? 0) > NOISE; tried++) {
    if (context.retriesLeft-- <= 0) break;
    const sample = await measureOnce(context, contestant, load);
    if ((sample.otherCpu ?? 0) < (quietest.otherCpu ?? 0)) quietest = sample;
  }
  return quietest;
}

async function measureOnce(
  { plan, tools, pinning }: Context,
  { target, downstream }: Contestant,
  load: Load,
): Promise<Sample> {
  const { mode, connections, payloadBytes = 100, tool = 'echo', maxOperations, era } = load;
  const isInC = tools.isInC && era === undefined;
  if (!plan.isQuick) await quiet();
  const command = [
    ...pinning.rest,
    ...(isInC ? [...tools.load, '--mode', mode] : LOAD_ON_NODE),
    ...['--url', target.url, '--tool', tool],
    ...['--sessions', String(connections), '--payload', String(payloadBytes)],
    ...['--duration', String(plan.seconds), '--warmup', String(plan.warmupSeconds)],
    ...(isInC && maxOperations !== undefined ? ['--max-ops', String(maxOperations)] : []),
    ...(era === undefined ? [] : ['--era', era]),
    ...['--ds-pids', [downstream.pid, ...target.helpers].join(',')],
    ...(target.pid !== undefined ? ['--gw-pids', String(target.pid)] : []),
  ];
  const line: LoadLine = JSON.parse(await output(command));
  // Nothing at all is a failure too, with which there is nothing to compare.
  const errors = line.errors + (line.rps === 0 ? 1 : 0);
  return {
    perSecond: line.rps,
    errors,
    ...(errors > 0 && { firstError: line.firstError }),
    p50: line.p50,
    p99: line.p99,
    ...(target.pid !== undefined && line.gwCpuPer1k !== undefined && { cpuMs: line.gwCpuPer1k }),
    ...(line.otherCpuShare !== undefined &&
      target.hasUnknownHelpers !== true && { otherCpu: line.otherCpuShare }),
    ...(line.lgCpuShare !== undefined && { loadCpu: line.lgCpuShare }),
    ...(line.dsCpuShare !== undefined && { downstreamCpu: line.dsCpuShare }),
    ...(target.pid !== undefined && line.gwRssMB !== undefined && { rssMb: line.gwRssMB }),
  };
}

/** What the load generator prints; the optional ones where the system tells them. */
interface LoadLine {
  readonly rps: number;
  readonly p50: number;
  readonly p99: number;
  readonly errors: number;
  readonly firstError: string;
  /** CPU seconds of the target for 1,000 operations, which is as many milliseconds for one. */
  readonly gwCpuPer1k?: number;
  readonly otherCpuShare?: number;
  readonly lgCpuShare?: number;
  readonly dsCpuShare?: number;
  readonly gwRssMB?: number;
}

/** Every target on the same server. */
export function everyone(targets: readonly Target[], downstream: Downstream): Contestant[] {
  return targets.map((target) => ({ target, downstream }));
}
