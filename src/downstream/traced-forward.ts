import type { RequestMessage } from '../protocol/envelope.ts';
import { traceOf, withTrace } from '../protocol/trace-context.ts';
import type { Tracing } from '../telemetry/types.ts';

/** What another node has forwarded to a process of this one, as part of the trace that it is in; and what ends the span. */
export function tracedHere(
  tracing: Tracing,
  request: RequestMessage,
  server: string,
  from: string,
): [RequestMessage, (() => void) | undefined] {
  const parent = traceOf(request.params, undefined);
  // Nothing begins here: a request that is not traced where it came from is not traced further on.
  if (parent?.traceparent === undefined) return [request, undefined];
  const name = `forward ${request.method}`;
  const span = tracing.asked(name, parent);
  if (span === undefined) return [request, undefined];
  const attributes = { 'mcp.method.name': request.method, server, 'dragon.forward.from': from };
  return [withTrace(request, span.context), () => span.end(name, attributes)];
}
