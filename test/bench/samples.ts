import type { Measure, Sample } from './results.ts';

/** A sample for tests. */
export function sampleOf(perSecond: number, cpuMs: number, more: Partial<Sample> = {}): Sample {
  return { perSecond, cpuMs, errors: 0, p50: 1, p99: 2, ...more };
}

/** A measure for tests. */
export function measureOf(samples: Measure['samples'], more: Partial<Measure> = {}): Measure {
  return {
    ...{ id: 'calls small 64', section: 'calls', what: 'small', unit: 'calls', connections: 64, samples },
    ...more,
  } as Measure;
}
