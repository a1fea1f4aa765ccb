import type { Section } from './options.ts';

/** Names of what is measured, as tables have them. */
export const DIRECT = 'direct';
export const PROXY = 'bare proxy';
export const NGINX = 'nginx';
export const SDK = 'SDK-only gateway';
export const GATEWAY = 'gateway';
export const GATEWAY_REDIS = 'gateway with Redis';

/** What one turn of load on one target gave. */
export interface Sample {
  readonly perSecond: number;
  /** Operations that failed; those that did not are counted. */
  readonly errors: number;
  readonly firstError?: string;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** CPU milliseconds of the target for each operation, user and system; none of the downstream itself. */
  readonly cpuMs?: number;
  /** Shares of a core: what was neither target, downstream nor load; the load generator; the downstream. */
  readonly otherCpu?: number;
  readonly loadCpu?: number;
  readonly downstreamCpu?: number;
  /** Resident memory of the target at the end, in MB. */
  readonly rssMb?: number;
}

/** Targets under the same load, turn by turn in each round. */
export interface Measure {
  /** Names it in the record. */
  readonly id: string;
  readonly section: Section;
  readonly what: string;
  readonly connections: number;
  /** What is counted, such as `calls`. */
  readonly unit: string;
  /** By target, one for each round. */
  readonly samples: Readonly<Record<string, readonly Sample[]>>;
  /** Pairs whose ratio says something, where they are not the usual ones. */
  readonly pairs?: readonly Pair[];
}

/** The first is looked at beside the second. */
export type Pair = readonly [target: string, base: string];

/** Memory that one of something takes, by target, in KB. */
export interface Footprint {
  readonly id: string;
  readonly what: string;
  readonly kb: Readonly<Record<string, number>>;
  readonly pairs: readonly Pair[];
}

export interface Results {
  readonly measures: readonly Measure[];
  readonly footprints: readonly Footprint[];
  /** What could not be measured, with the reason. */
  readonly missing?: readonly string[];
}

/** What is compared: operations a second, operations a second of CPU time, latencies, memory. */
export type Metric = 'rate' | 'CPU' | 'p50' | 'p99' | 'memory';

/** How a target compares with another, so that more is better, whatever it is. */
export interface Ratio {
  /** Measure, target, base and metric in one. */
  readonly id: string;
  readonly section: Section;
  readonly value: number;
}

const USUAL: readonly Pair[] = [GATEWAY, GATEWAY_REDIS].flatMap((target) =>
  [PROXY, NGINX, SDK].map((base): Pair => [target, base]),
);

const PICK: Readonly<Record<Exclude<Metric, 'memory'>, (sample: Sample) => number | undefined>> = {
  rate: ({ perSecond }) => 1 / perSecond,
  CPU: ({ cpuMs }) => cpuMs,
  p50: ({ p50 }) => p50,
  p99: ({ p99 }) => p99,
};

export function pairsOf(measure: Measure): readonly Pair[] {
  const { samples } = measure;
  return (measure.pairs ?? USUAL).filter(([target, base]) => target in samples && base in samples);
}

/** A ratio of each round, and the median of those: what drifts between rounds cancels out. */
export function ratioOf(measure: Measure, [target, base]: Pair, metric: Metric): number | undefined {
  if (metric === 'memory') return undefined;
  const pick = PICK[metric];
  const bases = measure.samples[base];
  const values = measure.samples[target]?.map((sample, round) => {
    const other = bases?.[round];
    return (other === undefined ? Number.NaN : (pick(other) ?? Number.NaN)) / (pick(sample) ?? Number.NaN);
  });
  return values === undefined ? undefined : medianOf(values);
}

export function footprintRatio({ kb }: Footprint, [target, base]: Pair): number | undefined {
  return medianOf([(kb[base] ?? Number.NaN) / (kb[target] ?? Number.NaN)]);
}

function ratioId(measureId: string, [target, base]: Pair, metric: Metric): string {
  return `${measureId}: ${target} beside ${base}: ${metric}`;
}

/** All that a later run may be compared with. Latencies are too unsteady for that. */
export function ratiosOf({ measures, footprints }: Results): Ratio[] {
  const ofMeasures = measures.flatMap((measure) =>
    pairsOf(measure).flatMap((pair) =>
      (['rate', 'CPU'] as const).map((metric) => ({
        id: ratioId(measure.id, pair, metric),
        section: measure.section,
        value: ratioOf(measure, pair, metric),
      })),
    ),
  );
  const ofFootprints = footprints.flatMap((footprint) =>
    footprint.pairs.map((pair) => ({
      id: ratioId(footprint.id, pair, 'memory'),
      section: 'memory' as const,
      value: footprintRatio(footprint, pair),
    })),
  );
  return [...ofMeasures, ...ofFootprints].filter((ratio): ratio is Ratio => ratio.value !== undefined);
}

/** Undefined where there is no number among them. Of an even number the lower one of the two in the middle. */
export function medianOf(numbers: readonly (number | undefined)[]): number | undefined {
  const sorted = numbers
    .filter((number) => number !== undefined && Number.isFinite(number))
    .toSorted((a, b) => (a as number) - (b as number));
  return sorted[(sorted.length - 1) >> 1];
}

/** The median of one number of a target over the rounds. */
export function typical(
  measure: Measure,
  target: string,
  pick: (sample: Sample) => number | undefined,
): number | undefined {
  return medianOf(measure.samples[target]?.map(pick) ?? []);
}
