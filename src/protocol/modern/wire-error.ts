import { type Id, InvalidMessage } from '../envelope.ts';
import { Code, type GatewayError } from '../errors.ts';

/** Codes that the modern era defines, and means nothing else by (2026-07-28, basic: Error Codes). */
export const ErrorCode = {
  HeaderMismatch: -32020,
  MissingRequiredClientCapability: -32021,
  UnsupportedProtocolVersion: -32022,
} as const;

/** An error on its way to a modern client. */
export interface ModernError {
  /** Status where the error is about the HTTP request as a whole, and nothing has been dispatched. */
  readonly status: number;
  readonly rpcCode: number;
}

/**
 * What each code is in the modern era. Total: a code without an entry doesn't compile. What MCP has no code for is an
 * internal error that says in its data which one: the range that others use for it is closed to new uses.
 */
const WIRE: Readonly<Record<Code, ModernError>> = {
  [Code.ParseError]: { status: 400, rpcCode: -32700 },
  [Code.InvalidRequest]: { status: 400, rpcCode: -32600 },
  [Code.MethodNotFound]: { status: 404, rpcCode: -32601 },
  [Code.InvalidParams]: { status: 400, rpcCode: -32602 },
  [Code.ResourceNotFound]: { status: 400, rpcCode: -32602 },
  [Code.SessionNotFound]: { status: 400, rpcCode: -32600 },
  [Code.SessionRequired]: { status: 400, rpcCode: -32600 },
  [Code.UnsupportedVersion]: { status: 400, rpcCode: ErrorCode.UnsupportedProtocolVersion },
  [Code.HeaderMismatch]: { status: 400, rpcCode: ErrorCode.HeaderMismatch },
  [Code.MissingCapability]: { status: 400, rpcCode: ErrorCode.MissingRequiredClientCapability },
  [Code.Unauthenticated]: { status: 401, rpcCode: -32600 },
  [Code.Forbidden]: { status: 403, rpcCode: -32600 },
  [Code.TooLarge]: { status: 413, rpcCode: -32600 },
  [Code.NotAcceptable]: { status: 406, rpcCode: -32600 },
  [Code.UnsupportedMediaType]: { status: 415, rpcCode: -32600 },
  [Code.MethodNotAllowed]: { status: 405, rpcCode: -32600 },
  [Code.NotFound]: { status: 404, rpcCode: -32602 },
  [Code.AlreadyExists]: { status: 409, rpcCode: -32602 },
  [Code.Conflict]: { status: 409, rpcCode: -32603 },
  [Code.InvalidArgument]: { status: 400, rpcCode: -32602 },
  [Code.FailedPrecondition]: { status: 400, rpcCode: -32603 },
  [Code.DownstreamUnavailable]: { status: 502, rpcCode: -32603 },
  [Code.DownstreamProtocol]: { status: 502, rpcCode: -32603 },
  [Code.DownstreamTimeout]: { status: 504, rpcCode: -32603 },
  [Code.DownstreamSessionLost]: { status: 502, rpcCode: -32603 },
  [Code.LoginRequired]: { status: 502, rpcCode: -32603 },
  [Code.ElicitationRequired]: { status: 502, rpcCode: -32603 },
  [Code.Cancelled]: { status: 499, rpcCode: -32603 },
  [Code.Unavailable]: { status: 503, rpcCode: -32603 },
  [Code.Overloaded]: { status: 503, rpcCode: -32603 },
  [Code.TooManyRequests]: { status: 429, rpcCode: -32603 },
  [Code.Internal]: { status: 500, rpcCode: -32603 },
};

export function modernError(error: GatewayError): ModernError {
  return WIRE[error.code];
}

/**
 * Status of the answer that carries a request's own error, where nothing of the answer is sent yet. Three codes and
 * "method not found" have one; any other error is an answer like every other.
 */
export function answerStatus(rpcCode: number): number {
  if (rpcCode === -32601) return 404;
  return isModernErrorCode(rpcCode) ? 400 : 200;
}

/** Whether only a modern server answers with this: what tells the eras apart when a server is asked for the first time. */
export function isModernErrorCode(rpcCode: number): boolean {
  return rpcCode <= ErrorCode.HeaderMismatch && rpcCode >= ErrorCode.UnsupportedProtocolVersion;
}

/** The JSON-RPC error response. What never became a request and has not named its id gets one without (2026-07-28, basic: Error Responses). */
export function modernErrorText(error: GatewayError, id: Id | null): string {
  const known = id ?? (error instanceof InvalidMessage ? error.id : null);
  const { rpcCode } = WIRE[error.code];
  const data = error.data ?? reasonOf(error.code, rpcCode);
  return JSON.stringify({
    jsonrpc: '2.0',
    ...(known === null ? {} : { id: known }),
    error: { code: rpcCode, message: error.message, ...(data === undefined ? {} : { data }) },
  });
}

function reasonOf(code: Code, rpcCode: number): { readonly reason: Code } | undefined {
  return rpcCode === -32603 && code !== Code.Internal ? { reason: code } : undefined;
}
