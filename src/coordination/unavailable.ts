import { Code, GatewayError } from '../protocol/errors.ts';

/** What is thrown while the store is away. It is back soon or never, so a caller may try again at once. */
export function unavailable(cause?: unknown): GatewayError {
  return new GatewayError(Code.Unavailable, 'The gateway cannot reach its session store; try again', {
    retryAfter: 1,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Of a session that has ended, or never was. */
export function sessionGone(): GatewayError {
  return new GatewayError(Code.SessionNotFound, 'Session not found; initialize again');
}

export function eventTooLarge(maxBytes: number): GatewayError {
  return new GatewayError(
    Code.TooLarge,
    `The message is larger than the ${maxBytes} bytes an event may have`,
  );
}
