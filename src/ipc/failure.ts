import { Code, type FieldViolation, GatewayError } from '../protocol/errors.ts';

/** A {@link GatewayError} as it goes from one process to another. Its cause stays where it was thrown. */
export interface Failure {
  readonly code: Code;
  readonly message: string;
  readonly fields: readonly FieldViolation[];
  readonly data: unknown;
  readonly retryAfter: number | undefined;
}

export function toFailure(thrown: unknown): Failure {
  const { code, message, fields, data, retryAfter } = GatewayError.from(thrown);
  return { code, message, fields, data, retryAfter };
}

export function fromFailure({ code, message, fields, data, retryAfter }: Failure): GatewayError {
  return new GatewayError(code, message, {
    fields,
    ...(data === undefined ? {} : { data }),
    ...(retryAfter === undefined ? {} : { retryAfter }),
  });
}

/** The process at the other end has gone. */
export function otherEndGone(): GatewayError {
  return new GatewayError(Code.Unavailable, 'The gateway is shutting down', { retryAfter: 1 });
}
