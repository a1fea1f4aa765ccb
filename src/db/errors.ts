import { Code, GatewayError } from '../protocol/errors.ts';

/** Codes of postgres.js and of sockets that mean: the connection was not made, or was lost. */
const CONNECTION_CODES = new Set([
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
  'CONNECT_TIMEOUT',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
]);

/** SQLSTATEs that pass by themselves: connections, resources, shutdown, a standby, a conflict of transactions. */
const PASSING_STATE = /^(08|53|57P|40)|^(25006|57014)$/;

/** SQLSTATEs of text that PostgreSQL cannot store, such as one with a NUL character. */
const TEXT_STATE = /^(22021|22P05)$/;

/** What a driver said, free of the SQL and the parameters that drizzle wraps around it. */
export interface DriverError {
  /** SQLSTATE, or the code of the driver or the socket. */
  readonly code: string;
  readonly constraint: string | undefined;
  readonly error: Error;
}

export function driverError(thrown: unknown): DriverError | undefined {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    if ('code' in error && typeof error.code === 'string') {
      const constraint = textAt(error, 'constraint_name') ?? textAt(error, 'constraint');
      return { code: error.code, constraint, error };
    }
  }
  return undefined;
}

/** Any failure of a query as a GatewayError; nothing of the statement gets into it. */
export function databaseError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown;
  const found = driverError(thrown);
  if (found === undefined) return wrapUnknown(thrown);
  if (CONNECTION_CODES.has(found.code) || PASSING_STATE.test(found.code)) return unavailable(found.error);
  if (TEXT_STATE.test(found.code)) {
    return new GatewayError(Code.InvalidArgument, 'Text may not hold NUL characters', { cause: found.error });
  }
  return new GatewayError(Code.Internal, 'Internal error', { cause: found.error });
}

function wrapUnknown(thrown: unknown): GatewayError {
  // PGlite has no code for it.
  if (innermost(thrown) === 'PGlite is closed') return unavailable(thrown);
  const cause = thrown instanceof Error && thrown.cause !== undefined ? thrown.cause : thrown;
  return new GatewayError(Code.Internal, 'Internal error', { cause });
}

function innermost(thrown: unknown): string | undefined {
  let message: string | undefined;
  for (let error = thrown; error instanceof Error; error = error.cause) message = error.message;
  return message;
}

export function unavailable(cause: unknown): GatewayError {
  return new GatewayError(Code.Unavailable, 'The database cannot be reached', { cause, retryAfter: 5 });
}

/** Whether an error of Node's has this code. */
export function hasCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.some((code) => code === error.code);
}

function textAt(error: Error, key: string): string | undefined {
  const value: unknown = Reflect.get(error, key);
  return typeof value === 'string' ? value : undefined;
}
