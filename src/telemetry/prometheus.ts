import { PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import type { MetricData, ResourceMetrics } from '@opentelemetry/sdk-metrics';

/** OpenTelemetry has the unit beside the name, Prometheus in it. */
const UNITS: Readonly<Record<string, string>> = { s: '.seconds', By: '.bytes' };

const serializer = new PrometheusSerializer(undefined, false, undefined, false, true);

/** Metrics in the text format of Prometheus. */
export function prometheusText(metrics: ResourceMetrics): string {
  const scopeMetrics = metrics.scopeMetrics.map((scope) => ({
    ...scope,
    metrics: scope.metrics.map(withUnit),
  }));
  return serializer.serialize({ ...metrics, scopeMetrics });
}

function withUnit(metric: MetricData): MetricData {
  const { descriptor } = metric;
  const unit = UNITS[descriptor.unit];
  return unit === undefined
    ? metric
    : { ...metric, descriptor: { ...descriptor, name: `${descriptor.name}${unit}` } };
}
