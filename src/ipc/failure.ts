import { Code, GatewayError, type GatewayErrorDetails } from '../protocol/errors.ts';

/** A {@link GatewayError} as it goes from one process to another. Its cause stays where it was thrown. */
export interface Failure {
  readonly code: Code;
  readonly message: string;
  readonly details: GatewayErrorDetails;
}

export function toFailure(thrown: unknown): Failure {
  const error = GatewayError.from(thrown);
  // What can be enumerated of an error is neither its stack nor its cause.
  const { code, name: _, ...details } = { ...error };
  return { code, message: error.message, details: details as GatewayErrorDetails };
}

export function fromFailure({ code, message, details }: Failure): GatewayError {
  return new GatewayError(code, message, details);
}

/** The process at the other end has gone. */
export function otherEndGone(): GatewayError {
  return new GatewayError(Code.Unavailable, 'The gateway is shutting down', { retryAfter: 1 });
}
