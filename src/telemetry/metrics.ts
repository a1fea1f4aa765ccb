import { MeterProvider, type MetricProducer, MetricReader } from '@opentelemetry/sdk-metrics';
import { downstreamMetrics } from './downstream-metrics.ts';
import { observeGauges } from './gauge-metrics.ts';
import { Labels } from './labels.ts';
import { CountedTimes, countsOf, timesOf } from './outcomes.ts';
import { prometheusText } from './prometheus.ts';
import { requestMetrics } from './request-metrics.ts';
import { type Instance, resourceOf } from './resource.ts';
import { observeRuntime } from './runtime-metrics.ts';
import { observeServers } from './server-metrics.ts';
import { storeMetrics } from './store-metrics.ts';
import { Tallies } from './tallies.ts';
import type { Gauges, Metrics } from './types.ts';

export interface MetricsOptions extends Instance {
  /** A server's name is a label of every series about it; beyond so many they are told of by their sum. Default: 200. */
  readonly metricsMaxServers?: number;
  /** The same for tools, of all servers together. Default: 200. */
  readonly metricsMaxTools?: number;
  /** Takes metrics elsewhere, besides being scraped. Made with what produces those that are no instruments. */
  readonly readers?: (producers: MetricProducer[]) => MetricReader[];
}

/** Far more than there are kinds of jobs. */
const MAX_JOBS = 50;

/** Of rules, which an operator writes. */
const MAX_LIMITS = 100;

/** Collects when asked to; there is no server and no timer of its own. */
class ScrapeReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

export function createMetrics(options: MetricsOptions): Metrics {
  const { metricsMaxServers: maxServers = 200, metricsMaxTools: maxTools = 200 } = options;
  const tallies = new Tallies('dragon');
  const reader = new ScrapeReader({ metricProducers: [tallies] });
  const others = options.readers?.([tallies]) ?? [];
  const provider = new MeterProvider({ resource: resourceOf(options), readers: [reader, ...others] });
  const jobCounts = countsOf(tallies, { name: 'dragon.jobs', description: 'Runs of jobs on this node' });
  const jobTimes = timesOf(tallies, {
    name: 'dragon.job.duration',
    description: 'Time that a run of a job took',
  });
  const jobs = new Labels(
    { max: MAX_JOBS },
    (job) => new CountedTimes(jobCounts({ job }), jobTimes({ job })),
  );
  const counted = (label: string, name: string, description: string, max: number) => {
    const counter = tallies.counter({ name, description });
    return new Labels({ max }, (value) => counter({ [label]: value }));
  };
  const states = counted(
    'why',
    'dragon.request.states.refused',
    'Request states of clients that were not taken',
    10,
  );
  const limits = counted('limit', 'dragon.limits.refused', 'Calls that were over a limit', MAX_LIMITS);
  const replays = counted(
    'stream',
    'dragon.stream.replays',
    'Streams that clients have come back to for what they missed',
    5,
  );
  let repeated = 0;
  tallies.read(
    {
      name: 'dragon.calls.repeated',
      description: 'Calls that were run again, as their connection was lost',
    },
    'sum',
    () => [[{}, repeated]],
  );
  const gauges: Partial<Gauges> = {};
  observeGauges(tallies, gauges);
  observeServers(tallies, new Labels({ max: maxServers }, (server) => server), gauges);
  const stopRuntime = observeRuntime(provider.getMeter('dragon'));

  return {
    ...requestMetrics(tallies),
    downstream: downstreamMetrics(tallies, { maxServers, maxTools }),
    store: storeMetrics(tallies),
    job(name, outcome, seconds) {
      jobs.of(name).record(outcome, seconds);
    },
    requestStateRefused(why) {
      states.of(why).value++;
    },
    limited(limit) {
      limits.of(limit).value++;
    },
    replayed(stream) {
      replays.of(stream).value++;
    },
    repeated() {
      repeated++;
    },
    observe(sources) {
      Object.assign(gauges, sources);
    },
    async scrape() {
      const { resourceMetrics, errors } = await reader.collect();
      if (errors.length > 0) throw new AggregateError(errors, 'Metrics could not be collected');
      return prometheusText(resourceMetrics);
    },
    async shutdown() {
      stopRuntime();
      await provider.shutdown();
    },
  };
}
