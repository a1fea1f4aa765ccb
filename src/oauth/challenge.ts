import type { LoginChallenge } from '../db/oauth-record.ts';

/** What a server says about the token that it wants (RFC 6750, 3; RFC 9728, 5.1). */
export interface BearerChallenge extends LoginChallenge {
  readonly error?: string;
}

const PARAM = /([a-z_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/gi;

/** Longer ones are nobody's scopes and addresses. */
const MAX_LENGTH = 8192;

/** Reads the `Bearer` challenge of a `WWW-Authenticate` header; undefined where there is none. */
export function bearerChallenge(header: string | undefined): BearerChallenge | undefined {
  if (header === undefined || header.length > MAX_LENGTH) return undefined;
  const start = /(?:^|,)\s*bearer(?:\s+|$)/i.exec(header);
  if (start === null) return undefined;
  const params = new Map<string, string>();
  const rest = header.slice(start.index + start[0].length);
  for (const [, name = '', quoted, bare = ''] of rest.matchAll(PARAM)) {
    const key = name.toLowerCase();
    // The first counts: what follows may be another scheme's.
    if (!params.has(key)) params.set(key, quoted?.replace(/\\(.)/g, '$1') ?? bare);
  }
  const resourceMetadata = params.get('resource_metadata');
  const scope = params.get('scope');
  const error = params.get('error');
  return {
    ...(resourceMetadata === undefined ? {} : { resourceMetadata }),
    ...(scope === undefined ? {} : { scopes: scopeList(scope) }),
    ...(error === undefined ? {} : { error }),
  };
}

/** RFC 6749, 3.3. */
export function scopeList(text: string): readonly string[] {
  return [...new Set(text.split(' ').filter((scope) => /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope)))];
}
