import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from '@opentelemetry/semantic-conventions';
import { observeBreakers } from './breaker-metrics.ts';
import { createLabels } from './labels.ts';
import { MCP_METHODS } from './mcp-methods.ts';
import { observeRuntime } from './runtime-metrics.ts';
import type { Gauges, Metrics } from './types.ts';

export interface MetricsOptions {
  readonly version: string;
  readonly nodeId: string;
}

/** A server's name is a label of every series about it; an installation with more servers is told of the sum. */
const MAX_SERVERS = 200;

/** Far more than there are kinds of jobs. */
const MAX_JOBS = 50;

/** Seconds: from an answer out of the process to a tool that works for a minute. */
const DURATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Collects when asked to; there is no server and no timer of its own. */
class ScrapeReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

export function createMetrics({ version, nodeId }: MetricsOptions): Metrics {
  const reader = new ScrapeReader();
  const resource = resourceFromAttributes({
    [ATTR_SERVICE_NAME]: 'dragon',
    [ATTR_SERVICE_VERSION]: version,
    'service.instance.id': nodeId,
  });
  const provider = new MeterProvider({ resource, readers: [reader] });
  const meter = provider.getMeter('dragon');
  const serializer = new PrometheusSerializer(undefined, false, undefined, false, true);

  const duration = { unit: 's', advice: { explicitBucketBoundaries: DURATION_BUCKETS } };
  const requests = meter.createCounter('dragon.requests', { description: 'Requests of clients, answered' });
  const requestSeconds = meter.createHistogram('dragon.request.duration.seconds', {
    ...duration,
    description: 'Time from the arrival of a request to the end of its answer',
  });
  const downstreamRequests = meter.createCounter('dragon.downstream.requests', {
    description: 'Requests to downstream servers',
  });
  const downstreamSeconds = meter.createHistogram('dragon.downstream.request.duration.seconds', {
    ...duration,
    description: 'Time from sending a request to a downstream server to the end of its answer',
  });
  const jobs = meter.createCounter('dragon.jobs', { description: 'Runs of jobs on this node' });
  const jobSeconds = meter.createHistogram('dragon.job.duration.seconds', {
    ...duration,
    description: 'Time that a run of a job took',
  });
  const refusedStates = meter.createCounter('dragon.request.states.refused', {
    description: 'Request states of clients that were not taken',
  });
  const methodLabels = {
    legacy: createLabels('method', { known: MCP_METHODS }, { face: 'legacy' }),
    modern: createLabels('method', { known: MCP_METHODS }, { face: 'modern' }),
  };
  const serverLabels = createLabels('server', { max: MAX_SERVERS });
  const jobLabels = createLabels('job', { max: MAX_JOBS });

  const gauges: { -readonly [K in keyof Gauges]?: Gauges[K] } = {};
  type Count = 'sessions' | 'streams' | 'inFlight' | 'parkedCalls' | 'stdioProcesses';
  const gauge = (name: string, key: Count, description: string) => {
    meter.createObservableGauge(name, { description }).addCallback((result) => {
      const value = gauges[key]?.();
      if (value !== undefined) result.observe(value);
    });
  };
  gauge('dragon.sessions', 'sessions', 'Sessions of clients');
  gauge('dragon.streams', 'streams', 'Streams open to clients');
  gauge('dragon.requests.in.flight', 'inFlight', 'Requests of clients that servers have not answered yet');
  gauge('dragon.calls.parked', 'parkedCalls', 'Calls that wait for their clients to answer what was asked');
  gauge('dragon.stdio.processes', 'stdioProcesses', 'Downstream servers running as processes');
  observeBreakers(meter, serverLabels, () => gauges.breakers?.());
  const stopRuntime = observeRuntime(meter);

  return {
    request(method, outcome, seconds, face = 'legacy') {
      const label = methodLabels[face].of(method);
      requests.add(1, label.by[outcome]);
      requestSeconds.record(seconds, label.alone);
    },
    downstream(server, outcome, seconds) {
      const label = serverLabels.of(server);
      downstreamRequests.add(1, label.by[outcome]);
      downstreamSeconds.record(seconds, label.alone);
    },
    job(name, outcome, seconds) {
      const label = jobLabels.of(name);
      jobs.add(1, label.by[outcome]);
      jobSeconds.record(seconds, label.alone);
    },
    requestStateRefused(why) {
      refusedStates.add(1, { why });
    },
    observe(sources) {
      Object.assign(gauges, sources);
    },
    async scrape() {
      const { resourceMetrics, errors } = await reader.collect();
      if (errors.length > 0) throw new AggregateError(errors, 'Metrics could not be collected');
      return serializer.serialize(resourceMetrics);
    },
    async shutdown() {
      stopRuntime();
      await provider.shutdown();
    },
  };
}
