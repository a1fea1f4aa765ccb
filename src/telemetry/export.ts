import type { MetricProducer, MetricReader, PushMetricExporter } from '@opentelemetry/sdk-metrics';
import type { SpanExporter } from '@opentelemetry/sdk-trace';
import type { Instance } from './resource.ts';
import type { SamplerName } from './sampling.ts';
import type { Logger, Tracing } from './types.ts';

type Protocol = 'http/protobuf' | 'http/json';

/** Settings of OpenTelemetry's; what else it reads of the environment (headers, timeouts, certificates) its exporters read themselves. */
export interface OtelSettings {
  readonly otelDisabled: boolean;
  readonly otelTraces: 'otlp' | 'none' | undefined;
  readonly otelMetrics: 'otlp' | 'none';
  readonly otelEndpoint: string | undefined;
  readonly otelTracesEndpoint: string | undefined;
  readonly otelMetricsEndpoint: string | undefined;
  readonly otelProtocol: Protocol;
  readonly otelSampler: SamplerName;
  readonly otelSamplerRatio: number;
  readonly otelSpanDelayMs: number;
  readonly otelMetricIntervalMs: number;
}

/** Undefined: nothing is traced. On where it is asked for, or somebody is named to send traces to. */
export async function openTracing(
  settings: OtelSettings,
  instance: Instance,
  logger: Logger,
): Promise<Tracing | undefined> {
  const { otelEndpoint, otelTracesEndpoint, otelProtocol } = settings;
  const { otelTraces = otelEndpoint === undefined && otelTracesEndpoint === undefined ? 'none' : 'otlp' } =
    settings;
  if (settings.otelDisabled || otelTraces === 'none') return undefined;
  // Loaded only where they are used: the start without is faster.
  const { OTLPTraceExporter } =
    otelProtocol === 'http/json'
      ? await import('@opentelemetry/exporter-trace-otlp-http')
      : await import('@opentelemetry/exporter-trace-otlp-proto');
  const { createTracing } = await import('./tracing.ts');
  return createTracing({
    ...instance,
    exporter: telling(
      new OTLPTraceExporter(urlOf(otelTracesEndpoint, otelEndpoint, 'v1/traces')),
      'traces',
      logger,
    ),
    sampler: settings.otelSampler,
    ratio: settings.otelSamplerRatio,
    delayMs: settings.otelSpanDelayMs,
  });
}

/** What takes metrics to a collector; undefined where none is to. */
export async function openReaders(
  settings: OtelSettings,
  logger: Logger,
): Promise<((metricProducers: MetricProducer[]) => MetricReader[]) | undefined> {
  const { otelEndpoint, otelMetricsEndpoint, otelProtocol, otelMetricIntervalMs } = settings;
  if (settings.otelDisabled || settings.otelMetrics === 'none') return undefined;
  const { OTLPMetricExporter } =
    otelProtocol === 'http/json'
      ? await import('@opentelemetry/exporter-metrics-otlp-http')
      : await import('@opentelemetry/exporter-metrics-otlp-proto');
  const { PeriodicExportingMetricReader } = await import('@opentelemetry/sdk-metrics');
  return (metricProducers) => [
    new PeriodicExportingMetricReader({
      exporter: telling(
        new OTLPMetricExporter(urlOf(otelMetricsEndpoint, otelEndpoint, 'v1/metrics')),
        'metrics',
        logger,
      ),
      exportIntervalMillis: otelMetricIntervalMs,
      exportTimeoutMillis: Math.min(otelMetricIntervalMs, 30_000),
      metricProducers,
    }),
  ];
}

function urlOf(own: string | undefined, base: string | undefined, path: string): { url?: string } {
  if (own !== undefined) return { url: own };
  return base === undefined ? {} : { url: `${base.replace(/\/+$/, '')}/${path}` };
}

/** Says once when a collector is away, and once when it is back. */
function telling<E extends SpanExporter | PushMetricExporter>(exporter: E, what: string, logger: Logger): E {
  let isAway = false;
  const send = exporter.export.bind(exporter) as (items: never, done: (result: Result) => void) => void;
  exporter.export = (items: unknown, done: (result: Result) => void) =>
    send(items as never, (result) => {
      const hasFailed = result.code !== 0;
      if (hasFailed && !isAway) logger.warn(`${what} cannot be exported`, { reason: result.error?.message });
      if (!hasFailed && isAway) logger.info(`${what} are exported again`);
      isAway = hasFailed;
      done(result);
    });
  return exporter;
}

interface Result {
  readonly code: number;
  readonly error?: Error;
}
