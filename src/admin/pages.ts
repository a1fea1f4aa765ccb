import type { Page, PageRequest } from '../db/server-record.ts';
import { Code, GatewayError } from '../protocol/errors.ts';

const DEFAULT_PAGE_SIZE = 100;
const MAX_PAGE_SIZE = 1000;

/** The page that a management request asks for. */
export function toPageRequest(request: {
  readonly pageSize: number;
  readonly pageToken: string;
}): PageRequest {
  const pageSize = request.pageSize === 0 ? DEFAULT_PAGE_SIZE : Math.min(request.pageSize, MAX_PAGE_SIZE);
  return request.pageToken === '' ? { pageSize } : { pageSize, pageToken: request.pageToken };
}

/**
 * A page of a list that may change between two pages. The token holds the key of the last entry answered, so an entry
 * that stays is neither skipped nor answered twice. Keys are unique. Throws InvalidArgument for a bad token.
 */
export function pageByKey<T>(
  entries: readonly T[],
  keyOf: (entry: T) => string,
  request: PageRequest,
): Page<T> {
  const sorted = entries.toSorted((a, b) => compare(keyOf(a), keyOf(b)));
  const after = request.pageToken === undefined ? undefined : decodeToken(request.pageToken);
  const start = after === undefined ? 0 : sorted.findIndex((entry) => compare(keyOf(entry), after) > 0);
  if (start === -1) return { items: [], total: sorted.length };
  const items = sorted.slice(start, start + request.pageSize);
  const last = items.at(-1);
  const isLastPage = last === undefined || start + items.length === sorted.length;
  return { items, total: sorted.length, ...(isLastPage ? {} : { nextPageToken: encodeToken(keyOf(last)) }) };
}

/** By code unit: the same on each node, whatever its locale. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const TOKEN_MARK = 'k:';

/** A page token that holds the key after which the page begins. */
export function encodeToken(key: string): string {
  return Buffer.from(`${TOKEN_MARK}${key}`).toString('base64url');
}

/** Throws InvalidArgument for anything that {@link encodeToken} does not make. */
export function decodeToken(token: string): string {
  const text = Buffer.from(token, 'base64url').toString();
  if (!text.startsWith(TOKEN_MARK) || encodeToken(text.slice(TOKEN_MARK.length)) !== token) {
    throw new GatewayError(Code.InvalidArgument, 'page_token is not one that this list answered', {
      fields: [{ field: 'page_token', description: 'must be the next_page_token of the page before' }],
    });
  }
  return text.slice(TOKEN_MARK.length);
}
