import { Code, GatewayError } from '../protocol/errors.ts';
import { decodePageToken, encodePageToken } from './page-token.ts';
import type { Page, PageRequest } from './server-record.ts';

/** Larger pages are cut to this: one answer stays of a size that a client can take. */
const LARGEST_PAGE = 1000;

/** A page of what is in order of its ordinals. Throws InvalidArgument for a bad size or token. */
export function pageOf<T extends { readonly ordinal: number }>(
  all: readonly T[],
  request: PageRequest,
): Page<T> {
  const size = pageSize(request);
  const after =
    request.pageToken === undefined ? Number.NEGATIVE_INFINITY : decodePageToken(request.pageToken);
  const rest = all.filter(({ ordinal }) => ordinal > after);
  const items = rest.slice(0, size);
  const last = items.at(-1);
  const more = rest.length > size && last !== undefined;
  return { items, total: all.length, ...(more ? { nextPageToken: encodePageToken(last.ordinal) } : {}) };
}

/** Throws InvalidArgument for what is no size. */
export function pageSize(request: PageRequest): number {
  if (Number.isInteger(request.pageSize) && request.pageSize > 0)
    return Math.min(request.pageSize, LARGEST_PAGE);
  const description = 'must be a whole number above 0';
  throw new GatewayError(Code.InvalidArgument, `The page size ${description}`, {
    fields: [{ field: 'page_size', description }],
  });
}
