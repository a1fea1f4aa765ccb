import { createHash } from 'node:crypto';
import { decodeCursor, encodeCursor, type ListKind } from '../protocol/cursor.ts';
import { type ResultStamp, stampResult } from '../protocol/modern/result.ts';

/** The pages of one list, serialised once when the list changes and sent as they are to everyone who asks. */
export class ListPages {
  readonly kind: ListKind;
  /** Changes when, and only when, the list does. */
  readonly version: string;
  readonly #pages: readonly string[];
  /** The same as clients of the modern era get them, made when the first asks. */
  #stamped: readonly string[] | undefined;

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
    return this.#at(this.#pages, cursor);
  }

  /** The same with what results of the modern era must say. `stampOf` is asked the first time. */
  stampedPage(cursor: unknown, stampOf: () => ResultStamp): string {
    this.#stamped ??= this.#stampedBy(stampOf());
    return this.#at(this.#stamped, cursor);
  }

  #stampedBy(stamp: ResultStamp): readonly string[] {
    return this.#pages.map((page) => stampResult(page, stamp) ?? page);
  }

  #at(pages: readonly string[], cursor: unknown): string {
    const index = cursor === undefined ? 0 : decodeCursor(cursor, this.kind, this.version, pages.length);
    const page = pages[index];
    if (page === undefined) throw new RangeError('a cursor of ours names a page that exists');
    return page;
  }
}
