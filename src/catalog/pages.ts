import { createHash } from 'node:crypto';
import { decodeCursor, encodeCursor, type ListKind } from '../protocol/cursor.ts';
import { type ResultStamp, stampResult } from '../protocol/modern/result.ts';

/** The pages of one list, serialised once when the list changes and sent as they are to everyone who asks. */
export class ListPages {
  readonly kind: ListKind;
  /** Changes when, and only when, the list does. */
  readonly version: string;
  /** As clients of the legacy era get them. */
  readonly #pages: readonly string[];
  readonly #modern: readonly string[];
  /** The same as clients of the modern era get them, made when the first asks. */
  #stamped: readonly string[] | undefined;

  /** `legacy`: the same entries for clients of the legacy era, where some differ. */
  constructor(kind: ListKind, entries: readonly string[], pageSize: number, legacy = entries) {
    this.kind = kind;
    const hash = createHash('sha256');
    for (const entry of entries) hash.update(entry).update('\n');
    this.version = hash.digest('base64url').slice(0, 12);
    this.#modern = this.#paged(entries, pageSize);
    this.#pages = legacy === entries ? this.#modern : this.#paged(legacy, pageSize);
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
    return this.#modern.map((page) => stampResult(page, stamp) ?? page);
  }

  #paged(entries: readonly string[], pageSize: number): readonly string[] {
    const { kind, version } = this;
    const pages: string[] = [];
    for (let start = 0; start === 0 || start < entries.length; start += pageSize) {
      const isLast = start + pageSize >= entries.length;
      const next = isLast ? '' : `,"nextCursor":"${encodeCursor(kind, version, pages.length + 1)}"`;
      pages.push(`{"${kind}":[${entries.slice(start, start + pageSize).join(',')}]${next}}`);
    }
    return pages;
  }

  #at(pages: readonly string[], cursor: unknown): string {
    const index = cursor === undefined ? 0 : decodeCursor(cursor, this.kind, this.version, pages.length);
    const page = pages[index];
    if (page === undefined) throw new RangeError('a cursor of ours names a page that exists');
    return page;
  }
}
