import { Code as ConnectCode, ConnectError } from '@connectrpc/connect';
import { BadRequestSchema } from '../gen/google/rpc/error_details_pb.ts';
import { Code, GatewayError } from '../protocol/errors.ts';

/** What is thrown below the management API, as its callers see it. What is a ConnectError already stays as it is. */
export function toConnectError(thrown: unknown): ConnectError {
  if (thrown instanceof ConnectError) return thrown;
  const error = GatewayError.from(thrown);
  const details =
    error.fields.length === 0
      ? []
      : [{ desc: BadRequestSchema, value: { fieldViolations: error.fields.map((field) => ({ ...field })) } }];
  const metadata = {
    ...(error.retryAfter === undefined ? {} : { 'retry-after': String(error.retryAfter) }),
    ...(error.challenge === undefined ? {} : { 'www-authenticate': error.challenge }),
  };
  return new ConnectError(error.message, connectCode(error.code), metadata, details, error.cause);
}

/** Every code of the gateway in the terms of gRPC. */
function connectCode(code: Code): ConnectCode {
  switch (code) {
    case Code.ParseError:
    case Code.InvalidRequest:
    case Code.InvalidParams:
    case Code.InvalidArgument:
    case Code.UnsupportedVersion:
    case Code.HeaderMismatch:
    case Code.NotAcceptable:
    case Code.UnsupportedMediaType:
      return ConnectCode.InvalidArgument;
    case Code.MethodNotFound:
    case Code.MethodNotAllowed:
      return ConnectCode.Unimplemented;
    case Code.NotFound:
    case Code.ResourceNotFound:
    case Code.SessionNotFound:
      return ConnectCode.NotFound;
    case Code.AlreadyExists:
      return ConnectCode.AlreadyExists;
    case Code.Conflict:
      return ConnectCode.Aborted;
    case Code.Unauthenticated:
      return ConnectCode.Unauthenticated;
    case Code.Forbidden:
      return ConnectCode.PermissionDenied;
    case Code.TooLarge:
      return ConnectCode.ResourceExhausted;
    // UNAVAILABLE would invite a retry, and the same server answers the same.
    case Code.DownstreamProtocol:
    case Code.SessionRequired:
    case Code.MissingCapability:
    case Code.FailedPrecondition:
    case Code.LoginRequired:
    case Code.ElicitationRequired:
      return ConnectCode.FailedPrecondition;
    case Code.DownstreamTimeout:
      return ConnectCode.DeadlineExceeded;
    case Code.DownstreamUnavailable:
    case Code.DownstreamSessionLost:
    case Code.Unavailable:
    case Code.Overloaded:
      return ConnectCode.Unavailable;
    case Code.TooManyRequests:
      return ConnectCode.ResourceExhausted;
    case Code.Cancelled:
      return ConnectCode.Canceled;
    case Code.Internal:
      return ConnectCode.Internal;
  }
}
