import { errorText, type Id, InvalidMessage } from '../protocol/envelope.ts';
import { Code, type GatewayError } from '../protocol/errors.ts';

export interface WireError {
  /** Status where the error is about the HTTP request as a whole. */
  readonly status: number;
  readonly rpcCode: number;
}

/** What each code is in HTTP and in JSON-RPC. Total: a code without an entry doesn't compile. */
const WIRE: Readonly<Record<Code, WireError>> = {
  [Code.ParseError]: { status: 400, rpcCode: -32700 },
  [Code.InvalidRequest]: { status: 400, rpcCode: -32600 },
  [Code.MethodNotFound]: { status: 404, rpcCode: -32601 },
  [Code.InvalidParams]: { status: 400, rpcCode: -32602 },
  [Code.ResourceNotFound]: { status: 404, rpcCode: -32002 },
  [Code.SessionNotFound]: { status: 404, rpcCode: -32001 },
  [Code.SessionRequired]: { status: 400, rpcCode: -32000 },
  [Code.UnsupportedVersion]: { status: 400, rpcCode: -32000 },
  [Code.HeaderMismatch]: { status: 400, rpcCode: -32600 },
  [Code.MissingCapability]: { status: 400, rpcCode: -32600 },
  [Code.Unauthenticated]: { status: 401, rpcCode: -32000 },
  [Code.Forbidden]: { status: 403, rpcCode: -32000 },
  [Code.TooLarge]: { status: 413, rpcCode: -32000 },
  [Code.NotAcceptable]: { status: 406, rpcCode: -32000 },
  [Code.UnsupportedMediaType]: { status: 415, rpcCode: -32000 },
  [Code.MethodNotAllowed]: { status: 405, rpcCode: -32000 },
  [Code.NotFound]: { status: 404, rpcCode: -32602 },
  [Code.AlreadyExists]: { status: 409, rpcCode: -32602 },
  [Code.Conflict]: { status: 409, rpcCode: -32000 },
  [Code.InvalidArgument]: { status: 400, rpcCode: -32602 },
  [Code.FailedPrecondition]: { status: 400, rpcCode: -32000 },
  [Code.DownstreamUnavailable]: { status: 502, rpcCode: -32000 },
  [Code.DownstreamProtocol]: { status: 502, rpcCode: -32000 },
  [Code.DownstreamTimeout]: { status: 504, rpcCode: -32001 },
  [Code.DownstreamSessionLost]: { status: 502, rpcCode: -32000 },
  [Code.LoginRequired]: { status: 502, rpcCode: -32000 },
  [Code.ElicitationRequired]: { status: 502, rpcCode: -32042 },
  [Code.Cancelled]: { status: 499, rpcCode: -32000 },
  [Code.Unavailable]: { status: 503, rpcCode: -32000 },
  [Code.Overloaded]: { status: 503, rpcCode: -32000 },
  [Code.TooManyRequests]: { status: 429, rpcCode: -32000 },
  [Code.Internal]: { status: 500, rpcCode: -32603 },
};

export function wireError(error: GatewayError): WireError {
  return WIRE[error.code];
}

/** Status of the answer that carries a request's own error: what was refused before anything was done is no success. */
export function failureStatus({ code }: GatewayError): number {
  return code === Code.Overloaded || code === Code.TooManyRequests ? WIRE[code].status : 200;
}

/** The JSON-RPC error response for a request, or, without an id, for something that never became one and may still have named its id. */
export function errorResponse(error: GatewayError, id: Id | null): string {
  const known = id ?? (error instanceof InvalidMessage ? error.id : null);
  return errorText(known, wireError(error).rpcCode, error.message, error.data);
}
