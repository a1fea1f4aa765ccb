import { type Attributes, type HrTime, ValueType } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  type CollectionResult,
  type DataPoint,
  DataPointType,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics';

/** One series of a counter. */
export interface Count {
  readonly attributes: Attributes;
  value: number;
}

/** What a metric is. */
export interface Description {
  readonly name: string;
  readonly description: string;
  /** As UCUM has it, such as `s`; default: none, it is a number of things. */
  readonly unit?: string;
}

/**
 * Counters and histograms of what each request adds to. OpenTelemetry's own look up a series by its attributes each time;
 * these are held by whoever records, are plain numbers, and become OpenTelemetry's data when somebody asks.
 */
export class Tallies implements MetricProducer {
  readonly #scope: string;
  readonly #start = hrTime();
  readonly #metrics: { readonly read: (now: HrTime) => MetricData | undefined }[] = [];

  constructor(scope: string) {
    this.#scope = scope;
  }

  /** Returns what makes a series. */
  counter(description: Description): (attributes: Attributes) => Count {
    const series: Count[] = [];
    this.#metrics.push({
      read: (now) => {
        const used = series.filter(({ value }) => value > 0);
        const dataPoints = used.map(({ attributes, value }) => this.#point(attributes, value, now));
        if (dataPoints.length === 0) return undefined;
        const kind = { dataPointType: DataPointType.SUM, isMonotonic: true } as const;
        return { ...kind, ...CUMULATIVE, descriptor: descriptor(description), dataPoints };
      },
    });
    return (attributes) => {
      const count = { attributes, value: 0 };
      series.push(count);
      return count;
    };
  }

  /** Returns what makes a series. `boundaries`: the largest value of each bucket but the last, in order. */
  histogram(
    description: Description,
    boundaries: readonly number[],
  ): (attributes: Attributes) => Distribution {
    const series: Distribution[] = [];
    this.#metrics.push({
      read: (now) => {
        const used = series.filter(({ count }) => count > 0);
        const dataPoints = used.map((one) => this.#point(one.attributes, one.read(), now));
        if (dataPoints.length === 0) return undefined;
        const kind = { dataPointType: DataPointType.HISTOGRAM } as const;
        return { ...kind, ...CUMULATIVE, descriptor: descriptor(description), dataPoints };
      },
    });
    return (attributes) => {
      const distribution = new Distribution(attributes, boundaries);
      series.push(distribution);
      return distribution;
    };
  }

  /**
   * What is read when somebody asks. OpenTelemetry's own gauges keep the last value of a series for ever; here what is not
   * told of has no series. `sum`: it only rises.
   */
  read(
    description: Description,
    kind: 'gauge' | 'sum',
    read: () => Iterable<readonly [attributes: Attributes, value: number]>,
  ): void {
    this.#metrics.push({
      read: (now) => {
        const dataPoints = [...read()].map(([attributes, value]) => this.#point(attributes, value, now));
        if (dataPoints.length === 0) return undefined;
        const about = { ...CUMULATIVE, descriptor: descriptor(description), dataPoints };
        return kind === 'gauge'
          ? { ...about, dataPointType: DataPointType.GAUGE }
          : { ...about, dataPointType: DataPointType.SUM, isMonotonic: true };
      },
    });
  }

  async collect(): Promise<CollectionResult> {
    const now = hrTime();
    const metrics = this.#metrics.map(({ read }) => read(now)).filter((data) => data !== undefined);
    const scopeMetrics = [{ scope: { name: this.#scope }, metrics }];
    return { resourceMetrics: { resource: resourceFromAttributes({}), scopeMetrics }, errors: [] };
  }

  #point<T>(attributes: Attributes, value: T, now: HrTime): DataPoint<T> {
    return { attributes, value, startTime: this.#start, endTime: now };
  }
}

/** One series of a histogram. */
export class Distribution {
  readonly attributes: Attributes;
  count = 0;
  readonly #boundaries: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(attributes: Attributes, boundaries: readonly number[]) {
    this.attributes = attributes;
    this.#boundaries = boundaries;
    this.#counts = new Array<number>(boundaries.length + 1).fill(0);
  }

  record(value: number): void {
    let bucket = 0;
    for (const boundary of this.#boundaries) {
      if (value <= boundary) break;
      bucket++;
    }
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += value;
    this.count++;
  }

  read() {
    const buckets = { boundaries: [...this.#boundaries], counts: [...this.#counts] };
    return { buckets, sum: this.#sum, count: this.count };
  }
}

const CUMULATIVE = { aggregationTemporality: AggregationTemporality.CUMULATIVE };

function descriptor({ name, description, unit = '' }: Description) {
  return { name, description, unit, valueType: ValueType.DOUBLE };
}

function hrTime(): HrTime {
  const now = Date.now();
  return [Math.floor(now / 1000), (now % 1000) * 1e6];
}
