import { isObject, own } from '../envelope.ts';
import { locate, objectMembers, splice } from '../json-text.ts';
import { type Edits, editMembers, editObject } from './json-edit.ts';
import { MetaKey } from './keys.ts';

type CacheScope = 'public' | 'private';

/** How long a result may be kept, in milliseconds, and for whom (2026-07-28, caching). */
export interface CacheHint {
  readonly ttlMs: number;
  readonly cacheScope: CacheScope;
}

/** Not to be kept, and nobody else's: what holds for a result that says nothing of itself. */
export const NOT_CACHED: CacheHint = { ttlMs: 0, cacheScope: 'private' };

/** The hint on a result; what is absent or malformed in it is as {@link NOT_CACHED} has it. */
export function cacheHintOf(result: unknown): CacheHint {
  if (!isObject(result)) return NOT_CACHED;
  const ttlMs = own(result, 'ttlMs');
  return {
    ttlMs: isTtl(ttlMs) ? ttlMs : NOT_CACHED.ttlMs,
    cacheScope: own(result, 'cacheScope') === 'public' ? 'public' : 'private',
  };
}

/** The hint on what is made of several results: the shortest time, and private where one is. Of none: not cached. */
export function mergeHints(hints: Iterable<CacheHint>): CacheHint {
  let merged: CacheHint | undefined;
  for (const { ttlMs, cacheScope } of hints) {
    merged = {
      ttlMs: merged === undefined ? ttlMs : Math.min(merged.ttlMs, ttlMs),
      cacheScope: cacheScope === 'private' || merged?.cacheScope === 'private' ? 'private' : 'public',
    };
  }
  return merged ?? NOT_CACHED;
}

/** What a result of the modern era must say of itself. */
export interface ResultStamp {
  /** The gateway's `Implementation`, as JSON text: for results that do not name the server they come from. */
  readonly serverInfo: string;
  /** For complete results of cacheable methods. */
  readonly cache?: CachePolicy;
}

export interface CachePolicy {
  /** Where the result says nothing. */
  readonly fallback: CacheHint;
  /** Nobody but who asked may keep it, whatever the server says: others are served by other servers. */
  readonly isPrivate: boolean;
}

/**
 * The text of a result with what it lacks put in: `resultType`, the server's name in `_meta`, cache hints. Everything that
 * is there stays as it is. Undefined where it is no object or a key stands twice.
 */
export function stampResult(result: string, { serverInfo, cache }: ResultStamp): string | undefined {
  const members = objectMembers(result);
  if (members === undefined) return undefined;
  const textAt = (key: string): string | undefined => {
    const span = members.get(key);
    return span && result.slice(span.start, span.end);
  };
  const edits: Edits[number][] = [];
  const type = textAt('resultType');
  if (type === undefined) edits.push(['resultType', '"complete"']);
  if (cache !== undefined && (type === undefined || type === '"complete"')) {
    edits.push(...cacheEdits(textAt('ttlMs'), textAt('cacheScope'), cache));
  }
  const meta = textAt('_meta');
  if (meta === undefined) edits.push(['_meta', `{"${MetaKey.ServerInfo}":${serverInfo}}`]);
  else if (!objectMembers(meta)?.has(MetaKey.ServerInfo)) {
    const named = editObject(meta, [[MetaKey.ServerInfo, serverInfo]]);
    // What is no object stays: whoever wrote it will hear of it.
    if (named !== undefined) edits.push(['_meta', named]);
  }
  return edits.length === 0 ? result : editMembers(result, members, edits);
}

/** The same for a whole response. An error response stays as it is. Undefined also where it is no response. */
export function stampResponse(response: string, stamp: ResultStamp): string | undefined {
  const members = objectMembers(response);
  const span = members?.get('result');
  if (span === undefined) return members?.has('error') ? response : undefined;
  const result = response.slice(span.start, span.end);
  const stamped = stampResult(result, stamp);
  return stamped === undefined || stamped === result ? stamped && response : splice(response, span, stamped);
}

/**
 * Where the members of the result begin in the head of a response too large to hold, in UTF-16 code units; undefined where
 * the head does not reach so far. {@link RESULT_COMPLETE} goes in there where the server is of the legacy era: its results
 * have members, or they would not be large.
 */
export function resultStart(head: string): number | undefined {
  const found =
    /^\s*\{(?:\s*"(?:jsonrpc|id)"\s*:\s*(?:"(?:[^"\\]|\\.)*"|-?\d+)\s*,)*\s*"result"\s*:\s*\{/.exec(head);
  return found?.[0].length;
}

export const RESULT_COMPLETE = '"resultType":"complete",';

/**
 * The `resultType` of a response: `complete` where there is none, which is how older servers say so. Undefined for an
 * error response, or where it is no string.
 */
export function resultTypeOf(response: string): string | undefined {
  const result = locate(response, ['result']);
  if (result === undefined) return undefined;
  const span = objectMembers(response, result.start)?.get('resultType');
  if (span === undefined) return 'complete';
  const type: unknown = JSON.parse(response.slice(span.start, span.end));
  return typeof type === 'string' ? type : undefined;
}

function cacheEdits(ttlText: string | undefined, scopeText: string | undefined, policy: CachePolicy): Edits {
  const edits: Edits[number][] = [];
  if (ttlText === undefined || !isTtl(JSON.parse(ttlText)))
    edits.push(['ttlMs', String(policy.fallback.ttlMs)]);
  const said = scopeText === '"public"' || scopeText === '"private"' ? scopeText : undefined;
  const scope = policy.isPrivate ? '"private"' : (said ?? JSON.stringify(policy.fallback.cacheScope));
  if (scope !== scopeText) edits.push(['cacheScope', scope]);
  return edits;
}

function isTtl(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}
