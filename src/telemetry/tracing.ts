import {
  type Context,
  createTraceState,
  type Span as RecordedSpan,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  type SpanExporter,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { scrub } from './redact.ts';
import { type Instance, resourceOf } from './resource.ts';
import { createSampling, type SamplerName } from './sampling.ts';
import type { Span, SpanAttributes, Tracing } from './types.ts';

export interface TracingOptions extends Instance {
  readonly exporter: SpanExporter;
  readonly sampler: SamplerName;
  /** Of those that go by it: how many of all traces, from 0 to 1. */
  readonly ratio: number;
  /** Milliseconds between two batches. Default: 5 s. */
  readonly delayMs?: number;
}

/** For what waits when the gateway stops, in milliseconds. */
const SHUTDOWN_MS = 3000;

export function createTracing(options: TracingOptions): Tracing {
  const { exporter, delayMs = 5000 } = options;
  const provider = new TracerProvider({
    resource: resourceOf(options),
    // What is not to be recorded never gets that far.
    sampler: new AlwaysOnSampler(),
    spanProcessors: [new BatchSpanProcessor({ exporter, scheduledDelayMillis: delayMs })],
  });
  const tracer = provider.getTracer('dragon', options.version);
  const isSampled = createSampling(options.sampler, options.ratio);
  return {
    asked(name, parent) {
      if (!isSampled(parent?.traceparent)) return undefined;
      const context =
        parent?.traceparent === undefined
          ? ROOT_CONTEXT
          : remoteContext(parent.traceparent, parent.tracestate);
      return new TracedSpan(
        tracer,
        tracer.startSpan(name, { kind: SpanKind.SERVER }, context),
        parent?.tracestate,
      );
    },
    async shutdown() {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, SHUTDOWN_MS);
      });
      await Promise.race([provider.shutdown().catch(() => undefined), late]);
      clearTimeout(timer);
    },
  };
}

function remoteContext(traceparent: string, tracestate: string | undefined): Context {
  const [, traceId = '', spanId = ''] = traceparent.split('-');
  const traceState = tracestate === undefined ? {} : { traceState: createTraceState(tracestate) };
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: 1,
    isRemote: true,
    ...traceState,
  });
}

class TracedSpan implements Span {
  readonly traceId: string;
  readonly context: Span['context'];
  readonly #tracer: Tracer;
  readonly #span: RecordedSpan;

  constructor(tracer: Tracer, span: RecordedSpan, tracestate: string | undefined) {
    const { traceId, spanId } = span.spanContext();
    this.#tracer = tracer;
    this.#span = span;
    this.traceId = traceId;
    this.context = { traceparent: `00-${traceId}-${spanId}-01`, tracestate };
  }

  child(name: string, attributes: SpanAttributes): Span {
    const options = { kind: SpanKind.CLIENT, attributes: known(attributes) };
    const span = this.#tracer.startSpan(name, options, trace.setSpan(ROOT_CONTEXT, this.#span));
    return new TracedSpan(this.#tracer, span, this.context.tracestate);
  }

  end(
    name: string,
    attributes: SpanAttributes,
    failure?: { type: string; message?: string | undefined },
  ): void {
    this.#span.updateName(name);
    this.#span.setAttributes(known(attributes));
    if (failure !== undefined) {
      const { type, message } = failure;
      this.#span.setAttribute('error.type', type);
      this.#span.setStatus({
        code: SpanStatusCode.ERROR,
        ...(message === undefined ? {} : { message: scrub(message) }),
      });
    }
    this.#span.end();
  }
}

function known(attributes: SpanAttributes): Record<string, string | number> {
  const result: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) result[name] = value;
  return result;
}
