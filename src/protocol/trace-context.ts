import { isObject, own, type Params, type RequestMessage } from './envelope.ts';
import { type Edits, editAt } from './modern/json-edit.ts';

/**
 * Which trace a request is part of, as W3C Trace Context and Baggage have it. It travels in headers of HTTP, and under the
 * same names in `_meta` (MCP 2026-07-28, General fields).
 */
export interface TraceContext {
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
  readonly baggage?: string | undefined;
}

const TRACEPARENT = /^(?!ff)[\da-f]{2}-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}$/;

/** As much of them as whoever follows the standards has to pass on. */
const MAX_STATE = 512;
const MAX_BAGGAGE = 8192;

const VISIBLE = /^[\x20-\x7e]+$/;

/** The context of headers by their names in lower case; undefined where there is none. What is malformed is left out. */
export function traceOfHeaders(headers: Readonly<Record<string, unknown>>): TraceContext | undefined {
  if (headers['traceparent'] === undefined && headers['baggage'] === undefined) return undefined;
  return readTrace(headers['traceparent'], headers['tracestate'], headers['baggage']);
}

/** The context of a request: what its `_meta` says goes before what headers say, for it is the sender's own. */
export function traceOf(
  params: Params | undefined,
  headers: TraceContext | undefined,
): TraceContext | undefined {
  const meta = params === undefined ? undefined : own(params, '_meta');
  if (!isObject(meta)) return headers;
  const said = readTrace(own(meta, 'traceparent'), own(meta, 'tracestate'), own(meta, 'baggage'));
  if (said === undefined || headers === undefined) return said ?? headers;
  const { traceparent, tracestate } = said.traceparent === undefined ? headers : said;
  return { traceparent, tracestate, baggage: said.baggage ?? headers.baggage };
}

function readTrace(traceparent: unknown, tracestate: unknown, baggage: unknown): TraceContext | undefined {
  const parent = typeof traceparent === 'string' && TRACEPARENT.test(traceparent) ? traceparent : undefined;
  const luggage = text(baggage, MAX_BAGGAGE);
  if (parent === undefined && luggage === undefined) return undefined;
  // A state without its parent means nothing.
  const state = parent === undefined ? undefined : text(tracestate, MAX_STATE);
  return { traceparent: parent, tracestate: state, baggage: luggage };
}

function text(value: unknown, max: number): string | undefined {
  return typeof value === 'string' && value.length <= max && VISIBLE.test(value) ? value : undefined;
}

/** In 32 hexadecimal digits. */
export function traceIdOf(context: TraceContext | undefined): string | undefined {
  return context?.traceparent?.split('-')[1];
}

/** The same as headers, names and values in turn. */
export function traceHeaders({ traceparent, tracestate, baggage }: TraceContext): string[] {
  const headers: string[] = [];
  if (traceparent !== undefined) headers.push('traceparent', traceparent);
  if (tracestate !== undefined) headers.push('tracestate', tracestate);
  if (baggage !== undefined) headers.push('baggage', baggage);
  return headers;
}

/**
 * A request on its way to a server as part of a trace: said in its `_meta`, and in headers where there are such. A request
 * whose `_meta` is no object, or in which a key stands twice, is left to its server as it is.
 */
export function withTrace(request: RequestMessage, context: TraceContext): RequestMessage {
  const { traceparent, tracestate, baggage } = context;
  const edits: Edits = [
    ['traceparent', json(traceparent)],
    // Of another parent, or of none.
    ['tracestate', json(tracestate)],
    ...(baggage === undefined ? [] : [['baggage', json(baggage)] as const]),
  ];
  const edited = editAt(request.text, ['params', '_meta'], edits);
  return { ...request, text: edited ?? request.text, traced: traceHeaders(context) };
}

function json(value: string | undefined): string | undefined {
  return value === undefined ? undefined : JSON.stringify(value);
}
