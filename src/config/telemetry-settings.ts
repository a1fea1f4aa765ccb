import * as kinds from './kinds.ts';
import { optionalSetting, setting } from './setting.ts';

/** Those of events, metrics, traces and the log. */
export const telemetrySettings = {
  events: setting('DRAGON_EVENTS', kinds.flag, {
    group: 'Events',
    default: 'on',
    description:
      'Whether it is kept what happens: calls, sessions, keys, changes of the configuration, health of servers. See [events.md](events.md).',
  }),
  eventRetentionDays: setting('DRAGON_EVENT_RETENTION', kinds.integer(1, 3650, ' of days'), {
    group: 'Events',
    default: '90',
    description: 'How long events are kept. They are dropped by whole weeks, so up to seven days later.',
  }),
  auditArguments: setting('DRAGON_AUDIT_ARGUMENTS', kinds.oneOf('none', 'hashed', 'full'), {
    group: 'Events',
    default: 'none',
    description:
      'What events of calls say of their arguments: nothing, a SHA-256 of them, or all but what looks like a secret, up to 8 KiB.',
  }),

  metricsMaxServers: setting('DRAGON_METRICS_MAX_SERVERS', kinds.integer(0, 10_000), {
    group: 'Telemetry',
    default: '200',
    description:
      'Servers that have series of their own in the [metrics](telemetry.md). What is said of those beyond has `other` in place of their name.',
  }),
  metricsMaxTools: setting('DRAGON_METRICS_MAX_TOOLS', kinds.integer(0, 100_000), {
    group: 'Telemetry',
    default: '200',
    description: 'The same for tools, of all servers together. Each costs some twenty lines of a scrape.',
  }),

  otelDisabled: setting('OTEL_SDK_DISABLED', kinds.flag, {
    group: 'Telemetry',
    default: 'false',
    description: 'Exports nothing, whatever the other settings of OpenTelemetry say. `/metrics` stays.',
  }),
  otelTraces: optionalSetting('OTEL_TRACES_EXPORTER', kinds.oneOf('otlp', 'none'), {
    group: 'Telemetry',
    defaultNote: '`otlp` where an endpoint for traces is set, else `none`',
    description: 'Where [traces](telemetry.md#traces) go.',
  }),
  otelMetrics: setting('OTEL_METRICS_EXPORTER', kinds.oneOf('otlp', 'none'), {
    group: 'Telemetry',
    default: 'none',
    description: 'Where metrics go, besides `/metrics`.',
  }),
  otelEndpoint: optionalSetting('OTEL_EXPORTER_OTLP_ENDPOINT', kinds.publicUrl, {
    group: 'Telemetry',
    description:
      'Base URL of the collector, such as `http://collector:4318`; `/v1/traces` and `/v1/metrics` follow.',
  }),
  otelTracesEndpoint: optionalSetting('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', kinds.publicUrl, {
    group: 'Telemetry',
    description: 'The whole URL for traces, where it is another.',
  }),
  otelMetricsEndpoint: optionalSetting('OTEL_EXPORTER_OTLP_METRICS_ENDPOINT', kinds.publicUrl, {
    group: 'Telemetry',
    description: 'The whole URL for metrics, where it is another.',
  }),
  otelProtocol: setting('OTEL_EXPORTER_OTLP_PROTOCOL', kinds.oneOf('http/protobuf', 'http/json'), {
    group: 'Telemetry',
    default: 'http/protobuf',
    description: 'How the collector is spoken to.',
  }),
  otelSampler: setting(
    'OTEL_TRACES_SAMPLER',
    kinds.oneOf(
      'always_on',
      'always_off',
      'traceidratio',
      'parentbased_always_on',
      'parentbased_always_off',
      'parentbased_traceidratio',
    ),
    {
      group: 'Telemetry',
      default: 'parentbased_always_on',
      description:
        'Which requests are traced. Those that begin with `parentbased_` go by what the client has decided, where it sends a trace context.',
    },
  ),
  otelSamplerRatio: setting('OTEL_TRACES_SAMPLER_ARG', kinds.ratio, {
    group: 'Telemetry',
    default: '1',
    description: 'The share of traces, for samplers that go by a ratio.',
  }),
  otelSpanDelayMs: setting('OTEL_BSP_SCHEDULE_DELAY', kinds.milliseconds, {
    group: 'Telemetry',
    default: '5000',
    description: 'Between two batches of spans.',
  }),
  otelMetricIntervalMs: setting('OTEL_METRIC_EXPORT_INTERVAL', kinds.milliseconds, {
    group: 'Telemetry',
    default: '60000',
    description: 'Between two exports of metrics.',
  }),

  logLevel: setting('DRAGON_LOG_LEVEL', kinds.oneOf('debug', 'info', 'warn', 'error', 'silent'), {
    group: 'Logs',
    default: 'info',
    description: 'Least severity that is logged.',
  }),
  logFormat: setting('DRAGON_LOG_FORMAT', kinds.oneOf('auto', 'json', 'pretty'), {
    group: 'Logs',
    default: 'auto',
    description: '`auto`: `pretty` on a terminal, else `json`, one object a line.',
  }),
  logBodies: setting('DRAGON_LOG_BODIES', kinds.flag, {
    group: 'Logs',
    default: 'off',
    description:
      'At the level `debug`, whether requests of clients and their answers are logged, too, without what looks like a secret. What users work on is in them: for a gateway that nobody else uses.',
  }),
};
