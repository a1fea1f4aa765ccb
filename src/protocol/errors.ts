/**
 * What can go wrong, named once. Everything inside the gateway throws a {@link GatewayError} with one of these
 * codes; `edge/error-response.ts` alone knows what each becomes in HTTP and in JSON-RPC, and `admin/` what each
 * becomes in Connect.
 */
export const Code = {
  /** The body is not JSON. */
  ParseError: 'parse_error',
  /** JSON, but not a JSON-RPC message this endpoint takes. */
  InvalidRequest: 'invalid_request',
  /** Nobody here answers this method. */
  MethodNotFound: 'method_not_found',
  /** The method exists; its parameters are wrong. Also: unknown tool, unknown prompt, bad cursor. */
  InvalidParams: 'invalid_params',
  /** No server owns this resource. */
  ResourceNotFound: 'resource_not_found',
  /** The session is unknown, ended, or somebody else's: all three look alike. */
  SessionNotFound: 'session_not_found',
  /** The request needs a session id and has none. */
  SessionRequired: 'session_required',
  /** The request names a version that is not spoken here. */
  UnsupportedVersion: 'unsupported_version',
  /** The headers of a modern request do not say what its body says. */
  HeaderMismatch: 'header_mismatch',
  /** The request cannot be served without something that its sender has not declared it can do; `data` names it. */
  MissingCapability: 'missing_capability',
  /** The request does not prove who makes it; `challenge` says how it could. */
  Unauthenticated: 'unauthenticated',
  /** Whoever makes the request may not make it. Also: the Origin or Host header is not allowed. */
  Forbidden: 'forbidden',
  /** The body is larger than the limit. */
  TooLarge: 'too_large',
  /** The client cannot read what would be answered (Accept), or sends what is not JSON (Content-Type). */
  NotAcceptable: 'not_acceptable',
  UnsupportedMediaType: 'unsupported_media_type',
  MethodNotAllowed: 'method_not_allowed',
  /** A record with this id does not exist for this owner. */
  NotFound: 'not_found',
  AlreadyExists: 'already_exists',
  /** The record was changed by somebody else in the meantime; read it again. */
  Conflict: 'conflict',
  /** Bad input of a management call; `fields` names what is wrong. */
  InvalidArgument: 'invalid_argument',
  /** The call is understood and may not be made as the gateway is configured. */
  FailedPrecondition: 'failed_precondition',
  /** The downstream could not be reached, or closed on us before it answered. */
  DownstreamUnavailable: 'downstream_unavailable',
  /** The downstream answered something that is not MCP. */
  DownstreamProtocol: 'downstream_protocol',
  /** The downstream did not answer in time. */
  DownstreamTimeout: 'downstream_timeout',
  /** The downstream no longer knows our session; healed once by a new one. */
  DownstreamSessionLost: 'downstream_session_lost',
  /** The downstream wants somebody to log in first, or gives the gateway no token; nothing has been done. */
  LoginRequired: 'login_required',
  /** The same, for a client that can have its person open the address in `data`. */
  ElicitationRequired: 'elicitation_required',
  /** The caller went away or cancelled. */
  Cancelled: 'cancelled',
  /** Starting, draining, or without something it depends on: try again later. */
  Unavailable: 'unavailable',
  /** The node, or a server, has all that it can do. Nothing has been done: try again later. */
  Overloaded: 'overloaded',
  /** The caller has all that one principal may have. Nothing has been done: try again later. */
  TooManyRequests: 'too_many_requests',
  Internal: 'internal',
} as const;

export type Code = (typeof Code)[keyof typeof Code];

/** One wrong field of a management request: its proto path and what is wrong with it. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

export interface GatewayErrorDetails {
  /** Kept for the log; never put on the wire. */
  readonly cause?: unknown;
  readonly fields?: readonly FieldViolation[];
  /** Put into JSON-RPC `error.data`; must hold nothing internal. */
  readonly data?: unknown;
  /** Seconds for a `Retry-After` header. */
  readonly retryAfter?: number;
  /** A `WWW-Authenticate` header: how the caller may prove more than it has. */
  readonly challenge?: string;
}

/** The message is for the caller: it names what is wrong and holds nothing internal. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: Code;
  readonly fields: readonly FieldViolation[];
  readonly data: unknown;
  readonly retryAfter: number | undefined;
  readonly challenge: string | undefined;

  constructor(code: Code, message: string, details: GatewayErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.fields = details.fields ?? [];
    this.data = details.data;
    this.retryAfter = details.retryAfter;
    this.challenge = details.challenge;
  }

  /** Anything thrown becomes a GatewayError; what was unknown becomes Internal with its cause kept inside. */
  static from(thrown: unknown): GatewayError {
    if (thrown instanceof GatewayError) return thrown;
    return new GatewayError(Code.Internal, 'Internal error', { cause: thrown });
  }
}
