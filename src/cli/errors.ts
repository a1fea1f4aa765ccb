import { Code, ConnectError } from '@connectrpc/connect';
import { StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { McpError } from '@modelcontextprotocol/sdk/types.js';
import { ConfigError } from '../config.ts';
import { BadRequestSchema } from '../gen/google/rpc/error_details_pb.ts';
import { CliError, ExitCode } from './exit.ts';

/** What is told of a failure: lines for people, and the exit code. */
export interface Failure {
  readonly message: string;
  readonly exitCode: ExitCode;
}

/** Error codes of sockets and name look-ups that mean: nothing answers there. */
const NOBODY_THERE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_SOCKET',
]);

const HOW_TO_SHOW = 'Give an API key with DRAGON_API_KEY';

/** Runs work that talks to the gateway; where nothing answers, the error tells where it was looked for. */
export async function reaching<T>(url: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const reason = socketReason(error);
    if (reason === undefined) throw error;
    throw new CliError(
      `no gateway answers at ${url} (${reason}). Is it running? Start it with: npm start, or: dragon serve`,
      ExitCode.Unreachable,
    );
  }
}

/** Why one request was refused by a gateway that is there; undefined for everything else. */
export function refusalOf(error: unknown): string | undefined {
  return error instanceof ConnectError && socketReason(error) === undefined
    ? connectMessage(error)
    : undefined;
}

/** What to tell the user of whatever a command has thrown; undefined for an error that is nobody's but ours. */
export function failureOf(error: unknown): Failure | undefined {
  if (error instanceof CliError) return { message: error.message, exitCode: error.exitCode };
  if (error instanceof ConfigError) return { message: error.message, exitCode: ExitCode.Usage };
  if (error instanceof ConnectError) return { message: connectMessage(error), exitCode: ExitCode.Failed };
  if (error instanceof McpError) {
    return { message: error.message.replace(/^MCP error -?\d+: /, ''), exitCode: ExitCode.Failed };
  }
  if (error instanceof StreamableHTTPError) {
    if (error.code === 401)
      return { message: `the gateway does not know who calls. ${HOW_TO_SHOW}`, exitCode: ExitCode.Failed };
    const status = error.code === undefined ? '' : ` ${error.code}`;
    return { message: `the gateway answered HTTP${status}: ${error.message}`, exitCode: ExitCode.Failed };
  }
  return undefined;
}

/** One line: what happened, then each wrong field. */
function connectMessage(error: ConnectError): string {
  if (error.code === Code.Unimplemented) {
    return `what answers there is not the management API of this version (${error.rawMessage})`;
  }
  if (error.code === Code.Unauthenticated) return `${error.rawMessage}. ${HOW_TO_SHOW}`;
  const violations = error.findDetails(BadRequestSchema).flatMap((detail) => detail.fieldViolations);
  const fields = violations.map(({ field, description }) => `${field}: ${description}`).join('; ');
  if (fields === '') return error.rawMessage;
  return violations.every(({ description }) => error.rawMessage.includes(description))
    ? error.rawMessage
    : `${error.rawMessage} (${fields})`;
}

/** The code of a socket's error, found among the causes; undefined for an error of another kind. */
export function socketReason(error: unknown): string | undefined {
  for (
    let current = error, depth = 0;
    current instanceof Error && depth < 8;
    current = current.cause, depth++
  ) {
    if ('code' in current && typeof current.code === 'string' && NOBODY_THERE.has(current.code)) {
      return current.code;
    }
    // Several addresses of one name were tried; the first speaks for all.
    if (current instanceof AggregateError && current.errors.length > 0)
      return socketReason(current.errors[0]);
  }
  return undefined;
}
