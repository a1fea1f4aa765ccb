import { createHash } from 'node:crypto';
import { decodeCursor, encodeCursor, type ListKind } from '../protocol/cursor.ts';

/** The pages of one list, serialised once when the list changes and sent as they are to everyone who asks. */
export class ListPages {
  readonly kind: ListKind;
  /** Changes when, and only when, the list does. */
  readonly version: string;
  readonly #pages: readonly string[];

  constructor(kind: ListKind, entries: readonly string[], pageSize: number) {
    this.kind = kind;
    const hash = createHash('sha256');
    for (const entry of entries) hash.update(entry).update('\n');
    this.version = hash.digest('base64url').slice(0, 12);
    const pages: string[] = [];
    for (let start = 0; start === 0 || start < entries.length; start += pageSize) {
      const isLast = start + pageSize >= entries.length;
      const next = isLast ? '' : `,"nextCursor":"${encodeCursor(kind, this.version, pages.length + 1)}"`;
      pages.push(`{"${kind}":[${entries.slice(start, start + pageSize).join(',')}]${next}}`);
    }
    this.#pages = pages;
  }

  /** The result of a list request, as JSON text. Throws InvalidParams for a bad or outdated cursor. */
  page(cursor: unknown): string {
    const index =
      cursor === undefined ? 0 : decodeCursor(cursor, this.kind, this.version, this.#pages.length);
    const page = this.#pages[index];
    if (page === undefined) throw new RangeError('a cursor of ours names a page that exists');
    return page;
  }
}
