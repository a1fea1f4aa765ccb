import { Code, GatewayError } from './errors.ts';

/** The lists a client can page through. */
export type ListKind = 'tools' | 'resources' | 'resourceTemplates' | 'prompts';

/** A cursor names the list, the version of the snapshot it was made from, and a page; to the client it is opaque. */
export function encodeCursor(kind: ListKind, version: string, page: number): string {
  return Buffer.from(`${kind}.${version}.${page}`).toString('base64url');
}

/**
 * The page a cursor points to. Throws InvalidParams for one that we did not make, or that belongs to a snapshot that
 * is no more: pages of two snapshots must not mix, or entries would be skipped or doubled. `pages`: how many there are.
 */
export function decodeCursor(cursor: unknown, kind: ListKind, version: string, pages: number): number {
  if (typeof cursor !== 'string') throw badCursor('must be a string');
  const [cursorKind, cursorVersion, page, ...rest] = Buffer.from(cursor, 'base64url').toString().split('.');
  if (rest.length > 0 || cursorKind !== kind || page === undefined || !/^\d{1,6}$/.test(page)) {
    throw badCursor('is not one of this list');
  }
  if (cursorVersion !== version)
    throw badCursor('is outdated, the list has changed; start again without one');
  if (Number(page) >= pages) throw badCursor('is not one of this list');
  return Number(page);
}

function badCursor(problem: string): GatewayError {
  return new GatewayError(Code.InvalidParams, `Invalid params: "cursor" ${problem}`);
}
