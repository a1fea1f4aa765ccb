import type { Metric, Pair, Results } from './results.ts';
import { footprintRatio, GATEWAY, GATEWAY_REDIS, medianOf, NGINX, PROXY, ratioOf, SDK } from './results.ts';

/** What is aimed at, and how far it was reached. */
export interface Reached {
  readonly what: string;
  readonly target: string;
  readonly limit: string;
  /** Undefined where it was not measured. */
  readonly measured: string | undefined;
  readonly isHeld: boolean | undefined;
}

/** Of throughput: at least so much of the base's. */
interface ThroughputGoal {
  readonly what: string;
  readonly measure: string;
  readonly base: string;
  readonly least: number;
  readonly targets?: readonly string[];
}

const BOTH = [GATEWAY, GATEWAY_REDIS];

const THROUGHPUT: readonly ThroughputGoal[] = [
  { what: 'JSON, 100 B, beside the bare proxy', measure: 'calls JSON 100 B 64', base: PROXY, least: 1.25 },
  { what: 'JSON, 10 KB, beside the bare proxy', measure: 'calls JSON 10 KB 64', base: PROXY, least: 1 },
  { what: 'JSON, 100 B, beside nginx', measure: 'calls JSON 100 B 64', base: NGINX, least: 0.45 },
  { what: 'JSON, 100 B, beside the SDK-only gateway', measure: 'calls JSON 100 B 64', base: SDK, least: 10 },
  { what: 'SSE, 100 B, beside the bare proxy', measure: 'sse 100 B 64', base: PROXY, least: 1.1 },
  { what: 'SSE, 10 KB, beside the bare proxy', measure: 'sse 10 KB 64', base: PROXY, least: 0.8 },
  { what: 'JSON, 1 MB, beside the bare proxy', measure: 'calls JSON 1 MB 16', base: PROXY, least: 0.9 },
  { what: 'tools/list of 10,000, beside the bare proxy', measure: 'lists 10000 16', base: PROXY, least: 1.5 },
  {
    ...{ what: 'session starts, beside nginx', measure: 'starts 64', base: NGINX },
    ...{ least: 0.6, targets: [GATEWAY] },
  },
  {
    ...{ what: 'session starts, beside nginx', measure: 'starts 64', base: NGINX },
    ...{ least: 0.3, targets: [GATEWAY_REDIS] },
  },
];

/** Latency over one connection: at most so many times the bare proxy's. */
const LATENCY = [
  ['p50', 1.3],
  ['p99', 1.5],
] as const;

/** A call costs the same, within a tenth. */
const SAME = 0.9;

const MEMORY = [
  ['memory session', 'an idle session', 2],
  ['memory stream', 'an idle session with an open stream', 12],
] as const;

/** Memory under answers of 1 MB, after the last round by that after the first. */
const FLAT = 1.1;

/** All that is aimed at, in the order of the tables. */
export function reached(results: Results): Reached[] {
  return [
    ...THROUGHPUT.flatMap((goal) =>
      (goal.targets ?? BOTH).map((target) => throughput(results, goal, target)),
    ),
    ...LATENCY.flatMap(([metric, most]) => BOTH.map((target) => latency(results, target, metric, most))),
    ...['tools', 'sessions'].flatMap((what) => BOTH.map((target) => sameCost(results, what, target))),
    ...BOTH.map((target) => flatMemory(results, target)),
    ...MEMORY.flatMap(([id, what, most]) =>
      BOTH.map((target): Reached => {
        const kb = results.footprints.find((footprint) => footprint.id === id)?.kb[target];
        const isHeld = kb === undefined ? undefined : kb <= most;
        return { what, target, limit: `at most ${most} KB`, measured: inKb(kb), isHeld };
      }),
    ),
    ...BOTH.map((target): Reached => {
      const footprint = results.footprints.find(({ id }) => id === 'memory stream');
      const value = footprint && footprintRatio(footprint, [target, NGINX]);
      const isHeld = value === undefined ? undefined : value >= 1;
      const measured = value === undefined ? undefined : `${(1 / value).toFixed(2)} ×`;
      return { what: 'the same, beside nginx', target, limit: 'at most 1 ×', measured, isHeld };
    }),
  ];
}

function throughput(results: Results, goal: ThroughputGoal, target: string): Reached {
  const { what, measure: id, base, least } = goal;
  const [rate, cpu] = (['rate', 'CPU'] as const).map((metric) => find(results, id, [target, base], metric));
  return {
    ...{ what, target, limit: `at least ${least} ×`, measured: rateAndCpu(rate, cpu) },
    // Where they differ it is something else than the gateway that was at its limit.
    isHeld: holds(cpu ?? rate, least),
  };
}

function latency(results: Results, target: string, metric: 'p50' | 'p99', most: number): Reached {
  const value = find(results, 'calls JSON 100 B 1', [target, PROXY], metric);
  return {
    ...{ what: `latency ${metric} of one connection, beside the bare proxy`, target },
    ...{
      limit: `at most ${most} ×`,
      measured: value === undefined ? undefined : `${(1 / value).toFixed(2)} ×`,
    },
    isHeld: value === undefined ? undefined : 1 / value <= most,
  };
}

function sameCost(results: Results, what: string, target: string): Reached {
  const suffix = what === 'tools' ? ', 10,000 tools' : ', many sessions';
  const pair: Pair = [target + suffix, target];
  const id = `lists call with ${what}`;
  const [rate, cpu] = (['rate', 'CPU'] as const).map((metric) => find(results, id, pair, metric));
  return {
    ...{ what: `a call with many ${what}, beside one with few`, target, limit: `at least ${SAME} ×` },
    ...{ measured: rateAndCpu(rate, cpu), isHeld: holds(cpu ?? rate, SAME) },
  };
}

function flatMemory({ measures }: Results, target: string): Reached {
  const rounds = measures.find(({ id }) => id === 'calls JSON 1 MB 16')?.samples[target] ?? [];
  const [first, last] = [rounds[0]?.rssMb, rounds.at(-1)?.rssMb];
  const value = rounds.length < 2 || !first || !last ? undefined : last / first;
  return {
    ...{
      what: 'memory under answers of 1 MB, last round beside the first',
      target,
      limit: `at most ${FLAT} ×`,
    },
    measured: value === undefined ? undefined : `${value.toFixed(2)} ×`,
    isHeld: value === undefined ? undefined : value <= FLAT,
  };
}

function find({ measures }: Results, id: string, pair: Pair, metric: Metric): number | undefined {
  const measure = measures.find((each) => each.id === id);
  return measure === undefined ? undefined : medianOf([ratioOf(measure, pair, metric)]);
}

const holds = (value: number | undefined, least: number) =>
  value === undefined ? undefined : value >= least;

function rateAndCpu(rate: number | undefined, cpu: number | undefined): string | undefined {
  if (rate === undefined) return undefined;
  return cpu === undefined ? `${rate.toFixed(2)} ×` : `${rate.toFixed(2)} ×, by CPU ${cpu.toFixed(2)} ×`;
}

const inKb = (kb: number | undefined) => (kb === undefined ? undefined : `${kb.toFixed(1)} KB`);
