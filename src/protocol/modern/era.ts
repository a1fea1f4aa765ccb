import type { Message, NotificationMessage, Params, RequestMessage } from '../envelope.ts';
import { own } from '../envelope.ts';
import { Code, GatewayError } from '../errors.ts';
import { isLegacyVersion } from '../versions.ts';
import { checkStandardHeaders, differs, type HeaderValues, headerOf, mismatch } from './headers.ts';
import { MetaKey } from './keys.ts';
import { metaOf, type RequestMeta, readMeta } from './meta.ts';
import { isModernVersion, MODERN_VERSIONS, type ModernVersion, namesModern } from './versions.ts';

/** What a POST opens. */
export type Opening =
  | { readonly era: 'legacy' }
  | {
      readonly era: 'modern';
      readonly kind: 'request';
      readonly message: RequestMessage;
      readonly version: ModernVersion;
      readonly meta: RequestMeta;
    }
  /** To be accepted and dropped: over HTTP this era has no notifications from clients. */
  | { readonly era: 'modern'; readonly kind: 'notification'; readonly message: NotificationMessage };

const LEGACY: Opening = { era: 'legacy' };

/**
 * Which era a POST is of, and, if of the modern one, its envelope checked: version, headers, `_meta` (2026-07-28,
 * versioning: a server of both eras selects its behaviour from how the client opens). The body decides, by the version in
 * `_meta`; the header decides where the body says nothing.
 *
 * What is thrown belongs to the modern era, whatever the request meant to be: HeaderMismatch, UnsupportedVersion,
 * InvalidParams, InvalidRequest; each is about the HTTP request as a whole.
 */
export function openPost(headers: HeaderValues, body: Message | readonly Message[]): Opening {
  if (isBatch(body)) return openBatch(headers, body);
  switch (body.kind) {
    case 'request':
      return openRequest(headers, body);
    case 'notification':
      return openNotification(headers, body);
    case 'response':
      if (!isModernHeader(headers)) return LEGACY;
      throw new GatewayError(
        Code.InvalidRequest,
        'Invalid Request: clients send no responses in this version',
      );
  }
}

/** Whether the version header names the modern era, which has neither GET nor DELETE. */
export function isModernHeader(headers: HeaderValues): boolean {
  const header = headerOf(headers, 'mcp-protocol-version');
  return header !== undefined && namesModern(header);
}

/** The error for a version that is not spoken here in the modern era. */
function unsupportedVersion(requested: string): GatewayError {
  return new GatewayError(Code.UnsupportedVersion, 'Unsupported protocol version', {
    data: { supported: MODERN_VERSIONS, requested: requested.slice(0, 64) },
  });
}

function isBatch(body: Message | readonly Message[]): body is readonly Message[] {
  return Array.isArray(body);
}

function openRequest(headers: HeaderValues, message: RequestMessage): Opening {
  const claim = claimOf(message.params);
  if (claim === undefined) {
    // `initialize` is the legacy handshake, and comes before any version is agreed on.
    if (message.method === 'initialize' || !isModernHeader(headers)) return LEGACY;
    throw withoutClaim(headers, message.params);
  }
  const { version } = claim;
  if (isOfLegacySession(headers, message, version)) return LEGACY;
  // What another version means by the rest is not for us to check.
  if (!isModernVersion(version)) throw wrongVersion(headers, version);
  const meta = readMeta(claim.meta);
  const header = headerOf(headers, 'mcp-protocol-version');
  if (header === undefined) throw mismatch('the MCP-Protocol-Version header is missing');
  if (header !== version) throw differs('MCP-Protocol-Version', header, version);
  checkStandardHeaders(headers, message);
  return { era: 'modern', kind: 'request', message, version, meta };
}

/** No header is asked of a notification; one that is there says the same as the body. */
function openNotification(headers: HeaderValues, message: NotificationMessage): Opening {
  const header = headerOf(headers, 'mcp-protocol-version');
  const claim = claimOf(message.params);
  const version = claim === undefined ? header : claim.version;
  if (claim === undefined && !isModernHeader(headers)) return LEGACY;
  if (typeof version === 'string' && isLegacyVersion(version)) return LEGACY;
  if (!isModernVersion(version)) throw wrongVersion(headers, version);
  if (header !== undefined && header !== version) throw differs('MCP-Protocol-Version', header, version);
  return { era: 'modern', kind: 'notification', message };
}

function openBatch(headers: HeaderValues, messages: readonly Message[]): Opening {
  const isModern =
    isModernHeader(headers) ||
    messages.some((message) => message.kind !== 'response' && hasModernClaim(message.params));
  if (!isModern) return LEGACY;
  throw new GatewayError(Code.InvalidRequest, 'Invalid Request: this version has no batches');
}

function hasModernClaim(params: Params | undefined): boolean {
  const version = claimOf(params)?.version;
  return typeof version === 'string' && !isLegacyVersion(version);
}

/** The version that the body claims to be in. Another member of `_meta` is no claim: legacy clients have those too. */
function claimOf(
  params: Params | undefined,
): { readonly version: unknown; readonly meta: Params } | undefined {
  const meta = params === undefined ? undefined : own(params, '_meta');
  if (typeof meta !== 'object' || meta === null || !Object.hasOwn(meta, MetaKey.ProtocolVersion))
    return undefined;
  const known = metaOf(params);
  return known && { version: own(known, MetaKey.ProtocolVersion), meta: known };
}

/** A legacy version in `_meta` of a request that is otherwise of the legacy era: not for us to read. */
function isOfLegacySession(headers: HeaderValues, message: RequestMessage, version: unknown): boolean {
  if (typeof version !== 'string' || !isLegacyVersion(version) || isModernHeader(headers)) return false;
  return message.method === 'initialize' || headers['mcp-session-id'] !== undefined;
}

/** The body claims a version that is not spoken here in this era. */
function wrongVersion(headers: HeaderValues, claimed: unknown): GatewayError {
  if (typeof claimed !== 'string') {
    return new GatewayError(
      Code.InvalidParams,
      `Invalid params: "_meta" must have "${MetaKey.ProtocolVersion}" as a string`,
    );
  }
  const header = headerOf(headers, 'mcp-protocol-version');
  // Without the header too: to a client of another version the list of versions is of more use.
  return header === undefined || header === claimed
    ? unsupportedVersion(claimed)
    : differs('MCP-Protocol-Version', header, claimed);
}

/** The header names the modern era and the body does not. */
function withoutClaim(headers: HeaderValues, params: Params | undefined): GatewayError {
  const header = headerOf(headers, 'mcp-protocol-version') ?? '';
  if (!isModernVersion(header)) return unsupportedVersion(header);
  const missing = metaOf(params) === undefined ? '"_meta"' : `"${MetaKey.ProtocolVersion}" in "_meta"`;
  return new GatewayError(Code.InvalidParams, `Invalid params: version ${header} needs ${missing}`);
}
