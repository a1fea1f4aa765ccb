import { preview } from '../protocol/answer.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { ConnectionLost } from './connection-lost.ts';

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused the connection',
  ENOTFOUND: 'has a host name that does not resolve',
  EAI_AGAIN: 'has a host name that does not resolve now',
  EHOSTUNREACH: 'cannot be reached',
  ENETUNREACH: 'cannot be reached',
  ETIMEDOUT: 'did not accept the connection in time',
  UND_ERR_CONNECT_TIMEOUT: 'did not accept the connection in time',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'has a TLS certificate that is not trusted',
  SELF_SIGNED_CERT_IN_CHAIN: 'has a TLS certificate that is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'has a TLS certificate that is not trusted',
  CERT_HAS_EXPIRED: 'has an expired TLS certificate',
  ERR_TLS_CERT_ALTNAME_INVALID: 'has a TLS certificate for another name',
};

/** What a failed connection means to the caller. The message names the server, never an address or a header. */
export function transportError(serverName: string, error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  const code = errorCode(error);
  if (code.startsWith('HPE_') || code === 'UND_ERR_HEADERS_OVERFLOW') {
    return new GatewayError(Code.DownstreamProtocol, `Server "${serverName}" does not answer in HTTP`, {
      cause: error,
    });
  }
  const reason = REASONS[code];
  if (reason === undefined) {
    const problem = `Server "${serverName}" closed the connection before its answer was complete`;
    return new ConnectionLost(Code.DownstreamUnavailable, problem, { cause: error });
  }
  return new GatewayError(Code.DownstreamUnavailable, `Server "${serverName}" ${reason}`, { cause: error });
}

/** A status that a server answers with which knows no POST at this address: it may be of the older transport. */
export class PostRefused extends GatewayError {}

/** An HTTP status that is no answer. `body` is its beginning, for what it says of itself. */
export function statusError(serverName: string, status: number, body: string): GatewayError {
  if (status === 401 || status === 403) {
    return new GatewayError(
      Code.DownstreamUnavailable,
      `Server "${serverName}" wants other credentials (HTTP ${status}); check its headers`,
    );
  }
  const code = status >= 500 || status === 429 ? Code.DownstreamUnavailable : Code.DownstreamProtocol;
  const said = body.trim() === '' ? '' : `: ${preview(body)}`;
  const message = `Server "${serverName}" answered HTTP ${status}${said}`;
  // 2025-11-25, transports: Backwards Compatibility.
  return [400, 404, 405].includes(status) ? new PostRefused(code, message) : new GatewayError(code, message);
}

export function protocolError(serverName: string, problem: string, cause?: unknown): GatewayError {
  return new GatewayError(Code.DownstreamProtocol, `Server "${serverName}" answered ${problem}`, { cause });
}

function errorCode(error: unknown): string {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const code = 'code' in at ? at.code : undefined;
    if (typeof code === 'string' && (code in REASONS || code.startsWith('HPE_'))) return code;
    if (at instanceof AggregateError && at.errors.length > 0) return errorCode(at.errors[0]);
  }
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}
