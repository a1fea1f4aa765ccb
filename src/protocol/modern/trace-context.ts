import { own, type Params } from '../envelope.ts';

/** Where a request stands in a trace (2026-07-28, basic: OpenTelemetry trace context). */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate: string | undefined;
  readonly baggage: string | undefined;
}

/** W3C Trace Context, 3.2: ids of nothing but zeros are invalid, and so is version `ff`. */
const TRACEPARENT =
  /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-[\x21-\x7e]*)?$/;

/** Both are lists for header fields: printable ASCII, and no longer than what other parts of a trace pass on. */
const LIST = /^[\x20-\x7e]{1,8192}$/;

/** The trace context in `_meta`; undefined where there is none or it is malformed, which must not fail the request. */
export function traceContextOf(meta: Params): TraceContext | undefined {
  const traceparent = own(meta, 'traceparent');
  if (typeof traceparent !== 'string' || traceparent.length > 256 || !TRACEPARENT.test(traceparent))
    return undefined;
  // Only a later version may go on after the flags.
  if (traceparent.startsWith('00') && traceparent.length !== 55) return undefined;
  return { traceparent, tracestate: listOf(meta, 'tracestate'), baggage: listOf(meta, 'baggage') };
}

function listOf(meta: Params, key: string): string | undefined {
  const value = own(meta, key);
  return typeof value === 'string' && LIST.test(value) ? value : undefined;
}
