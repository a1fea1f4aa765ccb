import { isObject, own } from '../envelope.ts';
import { MetaKey } from './keys.ts';
import type { Capabilities } from './meta.ts';
import { type CacheHint, cacheHintOf } from './result.ts';
import { commonVersion, MODERN_VERSIONS, type ModernVersion, namesModern } from './versions.ts';
import { ErrorCode, isModernErrorCode } from './wire-error.ts';

export interface DiscoverOffer {
  readonly capabilities: Capabilities;
  /** JSON text of the gateway's `Implementation`. */
  readonly serverInfo: string;
  readonly instructions: string | undefined;
  readonly cache: CacheHint;
}

/** The result of `server/discover`. Only versions of this era are in it: others need a handshake. */
export function discoverResult({ capabilities, serverInfo, instructions, cache }: DiscoverOffer): string {
  const result = JSON.stringify({
    resultType: 'complete',
    supportedVersions: MODERN_VERSIONS,
    capabilities,
    ...(instructions === undefined ? {} : { instructions }),
    ...cache,
  });
  return `${result.slice(0, -1)},"_meta":{"${MetaKey.ServerInfo}":${serverInfo}}}`;
}

/** What a modern server says of itself. */
interface Discovered {
  readonly version: ModernVersion;
  readonly capabilities: Capabilities;
  readonly serverInfo: Readonly<Record<string, unknown>>;
  readonly instructions: string | undefined;
  readonly cache: CacheHint;
}

/** What the first answer of a server tells of its era. */
export type Probe =
  | { readonly era: 'modern'; readonly discovered: Discovered }
  /** Modern, but not in the version that was asked for: ask again in this one. */
  | { readonly era: 'modern'; readonly retryIn: ModernVersion }
  /** Modern, and either speaks no version that is spoken here or refuses for another reason, which is told. */
  | { readonly era: 'modern'; readonly problem: string }
  /** To be tried with `initialize`. */
  | { readonly era: 'legacy' };

const LEGACY: Probe = { era: 'legacy' };

/**
 * Reads the result of `server/discover`. What does not look like one is of a server that answers anything; one that lists
 * no version spoken here may still be spoken to in an older one.
 */
export function readDiscover(result: unknown): Probe {
  if (!isObject(result)) return LEGACY;
  const versions = own(result, 'supportedVersions');
  const capabilities = own(result, 'capabilities');
  if (!Array.isArray(versions) || !isObject(capabilities)) return LEGACY;
  const version = commonVersion(versions);
  if (version === undefined) return withoutCommonVersion(versions);
  const meta = own(result, '_meta');
  const serverInfo = isObject(meta) ? own(meta, MetaKey.ServerInfo) : undefined;
  const instructions = own(result, 'instructions');
  return {
    era: 'modern',
    discovered: {
      version,
      capabilities,
      serverInfo: isObject(serverInfo) ? serverInfo : {},
      instructions: typeof instructions === 'string' ? instructions : undefined,
      cache: cacheHintOf(result),
    },
  };
}

/**
 * Reads an error that a server answers `server/discover` with, or any modern request when its era is not known. Only errors
 * that the modern era alone has make a server modern; any other, and silence, make it legacy (2026-07-28, stdio: Backward
 * Compatibility; the same for HTTP, where an answer of 401, 403 or 5xx tells nothing of the era). `asked`: the version asked for.
 */
export function readDiscoverError(error: unknown, asked: ModernVersion): Probe {
  const code = isObject(error) ? own(error, 'code') : undefined;
  if (!isObject(error) || typeof code !== 'number' || !isModernErrorCode(code)) return LEGACY;
  if (code !== ErrorCode.UnsupportedProtocolVersion) {
    return { era: 'modern', problem: String(own(error, 'message') ?? '').slice(0, 200) };
  }
  const data = own(error, 'data');
  const supported = isObject(data) ? own(data, 'supported') : undefined;
  if (!Array.isArray(supported)) return LEGACY;
  const version = commonVersion(supported);
  if (version === undefined) return withoutCommonVersion(supported);
  return version === asked
    ? { era: 'modern', problem: `it refuses version ${version}, which it says it supports` }
    : { era: 'modern', retryIn: version };
}

function withoutCommonVersion(versions: readonly unknown[]): Probe {
  const modern = versions.filter((version) => typeof version === 'string' && namesModern(version));
  if (modern.length === 0 || modern.length < versions.length) return LEGACY;
  const listed = modern.map((version) => String(version).slice(0, 20)).slice(0, 10);
  return { era: 'modern', problem: `it speaks only MCP ${listed.join(', ')}` };
}
