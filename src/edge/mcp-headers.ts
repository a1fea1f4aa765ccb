import type { IncomingHttpHeaders } from 'node:http';
import { Code, GatewayError } from '../protocol/errors.ts';
import {
  ASSUMED_VERSION,
  isLegacyVersion,
  LEGACY_VERSIONS,
  type LegacyVersion,
} from '../protocol/versions.ts';
import { memoized } from './memo.ts';

/** A POST must be JSON, and its sender must take both forms of an answer (2025-11-25, transports: Sending Messages). */
export function checkPostHeaders(headers: IncomingHttpHeaders): void {
  if (!isJson(headers['content-type'] ?? '')) {
    throw new GatewayError(Code.UnsupportedMediaType, 'Content-Type must be application/json');
  }
  if (headers.accept !== undefined && !acceptsBoth(headers.accept)) {
    throw new GatewayError(
      Code.NotAcceptable,
      'Accept must name both application/json and text/event-stream',
    );
  }
}

export function checkGetHeaders(headers: IncomingHttpHeaders): void {
  if (headers.accept !== undefined && !accepts(headers.accept, 'text/event-stream')) {
    throw new GatewayError(Code.NotAcceptable, 'Accept must name text/event-stream');
  }
}

/** The version that a request after the handshake is in. Throws UnsupportedVersion for one that is not spoken here. */
export function versionOf(headers: IncomingHttpHeaders): LegacyVersion {
  const value = headers['mcp-protocol-version'];
  if (value === undefined) return ASSUMED_VERSION;
  if (typeof value === 'string' && isLegacyVersion(value)) return value;
  throw new GatewayError(
    Code.UnsupportedVersion,
    `Bad Request: Unsupported protocol version (supported versions: ${LEGACY_VERSIONS.join(', ')})`,
  );
}

/** The session id. Throws SessionRequired without one. */
export function sessionIdOf(headers: IncomingHttpHeaders): string {
  const value = headers['mcp-session-id'];
  if (typeof value !== 'string' || value === '') {
    throw new GatewayError(Code.SessionRequired, 'Bad Request: Mcp-Session-Id header is required');
  }
  return value;
}

const isJson = memoized((type) => /^application\/json\s*(;|$)/i.test(type));

const acceptsBoth = memoized(
  (accept) => accepts(accept, 'application/json') && accepts(accept, 'text/event-stream'),
);

function accepts(accept: string, type: string): boolean {
  const group = `${type.slice(0, type.indexOf('/'))}/*`;
  return accept.split(',').some((part) => {
    // A weight of 0 says that it is not acceptable (RFC 9110, 12.4.2).
    if (/;\s*q=0(\.0*)?\s*(;|$)/i.test(part)) return false;
    const name = part.split(';', 1)[0]?.trim().toLowerCase();
    return name === type || name === '*/*' || name === group;
  });
}
