import { Code, GatewayError } from '../protocol/errors.ts';

/** Why something is refused, as metrics name it. */
export const REASONS = [
  /** As many requests are under way as the node may have. */
  'node_full',
  /** The node has no time for more. */
  'node_busy',
  /** The principal has as many requests under way as one may have. */
  'principal_full',
  /** The node is nearly full or has no time, and the principal has its share. */
  'principal_share',
  /** The principal has as many streams open as one may have. */
  'streams_full',
  /** There are as many connections as the node may have. */
  'connections_full',
] as const;

export type Reason = (typeof REASONS)[number];

/** Clients that were refused together come back within so many seconds, and not all at once. */
const SPREAD_S = 3;

const NODE_BUSY = 'The gateway has more to do than it can; try again later';

/** Made once: in an overload many are refused, and a stack trace costs as much as a call. */
const NODE_FULL = spread(Code.Overloaded, NODE_BUSY);
const OVER_SHARE = spread(
  Code.TooManyRequests,
  'The gateway has more to do than it can, and you have your share of it; try again later',
);
const TOO_MANY = spread(
  Code.TooManyRequests,
  'You have as many requests under way as one user may have; try again when some of them are answered',
);
const TOO_MANY_STREAMS = spread(
  Code.TooManyRequests,
  'You have as many streams open as one user may have; close some of them first',
);

const ERRORS: Readonly<Record<Exclude<Reason, 'connections_full'>, readonly GatewayError[]>> = {
  node_full: NODE_FULL,
  node_busy: NODE_FULL,
  principal_full: TOO_MANY,
  principal_share: OVER_SHARE,
  streams_full: TOO_MANY_STREAMS,
};

/** An error for the wire. `count` chooses among those that differ in when to come back. */
export function refusalError(reason: keyof typeof ERRORS, count: number): GatewayError {
  const errors = ERRORS[reason];
  return errors[count % errors.length] as GatewayError;
}

function spread(code: Code, message: string): readonly GatewayError[] {
  return Array.from({ length: SPREAD_S }, (_, n) => refusal(code, message, n + 1));
}

/** A stream has no header for it: when to come back is in the error, too. */
function refusal(code: Code, message: string, retryAfter: number): GatewayError {
  return new GatewayError(code, message, { retryAfter, data: { reason: code, retryAfter } });
}
