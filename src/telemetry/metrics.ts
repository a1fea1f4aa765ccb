import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics';
import { ATTR_SERVICE_NAME, ATTR_SERVICE_VERSION } from '@opentelemetry/semantic-conventions';
import { observeBreakers } from './breaker-metrics.ts';
import { Labels } from './labels.ts';
import { MCP_METHODS } from './mcp-methods.ts';
import { outcomesOf } from './outcomes.ts';
import { observeRuntime } from './runtime-metrics.ts';
import { Tallies } from './tallies.ts';
import type { Gauges, Metrics } from './types.ts';

export interface MetricsOptions {
  readonly version: string;
  readonly nodeId: string;
}

/** A server's name is a label of every series about it; an installation with more servers is told of the sum. */
const MAX_SERVERS = 200;

/** Far more than there are kinds of jobs. */
const MAX_JOBS = 50;

/** Collects when asked to; there is no server and no timer of its own. */
class ScrapeReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

export function createMetrics({ version, nodeId }: MetricsOptions): Metrics {
  const tallies = new Tallies('dragon');
  const reader = new ScrapeReader({ metricProducers: [tallies] });
  const resource = resourceFromAttributes({
    [ATTR_SERVICE_NAME]: 'dragon',
    [ATTR_SERVICE_VERSION]: version,
    'service.instance.id': nodeId,
  });
  const provider = new MeterProvider({ resource, readers: [reader] });
  const meter = provider.getMeter('dragon');
  const serializer = new PrometheusSerializer(undefined, false, undefined, false, true);

  const requests = outcomesOf(tallies, {
    count: { name: 'dragon.requests', description: 'Requests of clients, answered' },
    time: {
      name: 'dragon.request.duration.seconds',
      description: 'Time from the arrival of a request to the end of its answer',
    },
  });
  const downstream = outcomesOf(tallies, {
    count: { name: 'dragon.downstream.requests', description: 'Requests to downstream servers' },
    time: {
      name: 'dragon.downstream.request.duration.seconds',
      description: 'Time from sending a request to a downstream server to the end of its answer',
    },
  });
  const jobs = outcomesOf(tallies, {
    count: { name: 'dragon.jobs', description: 'Runs of jobs on this node' },
    time: { name: 'dragon.job.duration.seconds', description: 'Time that a run of a job took' },
  });
  const refusedStates = meter.createCounter('dragon.request.states.refused', {
    description: 'Request states of clients that were not taken',
  });
  const known = { known: MCP_METHODS };
  const methodLabels = {
    legacy: new Labels('method', known, requests, { face: 'legacy' }),
    modern: new Labels('method', known, requests, { face: 'modern' }),
  };
  const serverLabels = new Labels('server', { max: MAX_SERVERS }, downstream);
  const jobLabels = new Labels('job', { max: MAX_JOBS }, jobs);

  const gauges: { -readonly [K in keyof Gauges]?: Gauges[K] } = {};
  type Count =
    | 'sessions'
    | 'streams'
    | 'inFlight'
    | 'admitted'
    | 'refusalsWaiting'
    | 'overloaded'
    | 'parkedCalls'
    | 'eventsWaiting'
    | 'stdioProcesses';
  const gauge = (name: string, key: Count, description: string) => {
    meter.createObservableGauge(name, { description }).addCallback((result) => {
      const value = gauges[key]?.();
      if (value !== undefined) result.observe(value);
    });
  };
  gauge('dragon.sessions', 'sessions', 'Sessions of clients');
  gauge('dragon.streams', 'streams', 'Streams open to clients');
  gauge('dragon.requests.in.flight', 'inFlight', 'Requests of clients that servers have not answered yet');
  gauge('dragon.requests.admitted', 'admitted', 'Requests of clients that were let in and are not over');
  gauge('dragon.refusals.waiting', 'refusalsWaiting', 'Refused requests that are still to be told so');
  gauge('dragon.overloaded', 'overloaded', '1 while there is less time than is asked for, else 0');
  meter
    .createObservableCounter('dragon.requests.refused', {
      description: 'What was refused for want of room or time, by why',
    })
    .addCallback((result) => {
      for (const [reason, count] of gauges.refused?.() ?? []) result.observe(count, { reason });
    });
  meter
    .createObservableCounter('dragon.events', {
      description: 'Events, by what became of them on this node: stored or dropped',
    })
    .addCallback((result) => {
      for (const [outcome, count] of gauges.events?.() ?? []) result.observe(count, { result: outcome });
    });
  gauge('dragon.events.waiting', 'eventsWaiting', 'Events that wait to be stored');
  gauge('dragon.calls.parked', 'parkedCalls', 'Calls that wait for their clients to answer what was asked');
  gauge('dragon.stdio.processes', 'stdioProcesses', 'Downstream servers running as processes');
  observeBreakers(meter, serverLabels, () => gauges.breakers?.());
  const stopRuntime = observeRuntime(meter);

  return {
    request(method, outcome, seconds, face = 'legacy') {
      methodLabels[face].of(method).record(outcome, seconds);
    },
    downstream(server, outcome, seconds) {
      serverLabels.of(server).record(outcome, seconds);
    },
    job(name, outcome, seconds) {
      jobLabels.of(name).record(outcome, seconds);
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
