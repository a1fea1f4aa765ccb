import { errorText, type Id, isObject, own } from '../envelope.ts';
import { locate, splice } from '../json-text.ts';
import { missingCapability, missingOf } from './capabilities.ts';
import type { Capabilities } from './meta.ts';
import { answerStatus, ErrorCode, modernError } from './wire-error.ts';

const RESOURCE_NOT_FOUND = -32002;
const INVALID_REQUEST = -32600;
const INVALID_PARAMS = -32602;
const INTERNAL = -32603;

/** The range that only MCP itself gives meanings to. */
const RESERVED_FROM = -32020;
const RESERVED_TO = -32099;

interface ErrorResponse {
  readonly id: Id;
  readonly code: number;
  readonly message: string;
  readonly data: unknown;
}

/**
 * An error response of a server's as a modern client may see it, and the HTTP status that goes with it. Codes of older
 * versions become what they are now; a missing capability is told only where it is the client's, by what the client has
 * declared; what a server says of headers and versions is between it and the gateway. Any other error passes as it is.
 */
export function errorForModern(
  text: string,
  declared: Capabilities,
): { readonly text: string; readonly status: number } {
  const error = readError(text);
  if (error === undefined) return { text, status: 200 };
  if (error.code === RESOURCE_NOT_FOUND) return { text: withCode(text, INVALID_PARAMS), status: 200 };
  if (error.code > RESERVED_FROM || error.code < RESERVED_TO)
    return { text, status: answerStatus(error.code) };
  const needed = isObject(error.data) ? own(error.data, 'requiredCapabilities') : undefined;
  const isAbout = error.code === ErrorCode.MissingRequiredClientCapability && isObject(needed);
  const missing = isAbout ? missingOf(needed, declared) : undefined;
  if (missing === undefined) return { text: internal(error), status: 200 };
  const refusal = missingCapability(missing);
  const { status, rpcCode } = modernError(refusal);
  return { text: errorText(error.id, rpcCode, refusal.message, refusal.data), status };
}

/** An error response of a modern server's as a legacy client knows it. `method`: of the request that it answers. */
export function errorForLegacy(text: string, method: string): string {
  const error = readError(text);
  if (error === undefined) return text;
  if (error.code === INVALID_PARAMS && method === 'resources/read' && isOnlyUri(error.data))
    return withCode(text, RESOURCE_NOT_FOUND);
  if (error.code > RESERVED_FROM || error.code < RESERVED_TO) return text;
  return error.code === ErrorCode.MissingRequiredClientCapability
    ? withCode(text, INVALID_REQUEST)
    : internal(error);
}

function readError(text: string): ErrorResponse | undefined {
  const message: unknown = JSON.parse(text);
  const error = isObject(message) ? own(message, 'error') : undefined;
  if (!isObject(message) || !isObject(error)) return undefined;
  const code = own(error, 'code');
  if (typeof code !== 'number') return undefined;
  return {
    id: own(message, 'id') as Id,
    code,
    message: String(own(error, 'message') ?? ''),
    data: own(error, 'data'),
  };
}

function withCode(text: string, code: number): string {
  const span = locate(text, ['error', 'code']);
  return span === undefined ? text : splice(text, span, String(code));
}

function internal(error: ErrorResponse): string {
  return errorText(error.id, INTERNAL, `The server and the gateway do not agree: ${error.message}`);
}

/** How a modern server says that there is no such resource: its other complaints about parameters say more or nothing. */
function isOnlyUri(data: unknown): boolean {
  return isObject(data) && typeof own(data, 'uri') === 'string' && Object.keys(data).length === 1;
}
