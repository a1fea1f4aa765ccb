import { createHash } from 'node:crypto';
import { decodeCursor, encodeCursor, type ListKind } from '../protocol/cursor.ts';
import { type ResultStamp, stampResult } from '../protocol/modern/result.ts';

/** JSON text, as bytes where it is large: those are sent as they are, and text would be copied each time. */
export type Page = string | Buffer;

const LARGE_CHARS = 16 * 1024;

/** The pages of one list, serialised once when the list changes and sent as they are to everyone who asks. */
export class ListPages {
  readonly kind: ListKind;
  /** Changes when, and only when, the list does. */
  readonly version: string;
  /** As clients of the legacy era get them. */
  readonly #pages: readonly Page[];
  readonly #modern: readonly Page[];
  /** The same as clients of the modern era get them, made when the first asks. */
  #stamped: readonly Page[] | undefined;

  /** `legacy`: the same entries for clients of the legacy era, where some differ. */
  constructor(kind: ListKind, entries: readonly string[], pageSize: number, legacy = entries) {
    this.kind = kind;
    const hash = createHash('sha256');
    for (const entry of entries) hash.update(entry).update('\n');
    this.version = hash.digest('base64url').slice(0, 12);
    this.#modern = this.#paged(entries, pageSize);
    this.#pages = legacy === entries ? this.#modern : this.#paged(legacy, pageSize);
  }

  /** The result of a list request. Throws InvalidParams for a bad or outdated cursor. */
  page(cursor: unknown): Page {
    return this.#at(this.#pages, cursor);
  }

  /** The same with what results of the modern era must say. `stampOf` is asked the first time. */
  stampedPage(cursor: unknown, stampOf: () => ResultStamp): Page {
    this.#stamped ??= this.#stampedBy(stampOf());
    return this.#at(this.#stamped, cursor);
  }

  #stampedBy(stamp: ResultStamp): readonly Page[] {
    return this.#modern.map((page) => {
      const stamped = stampResult(page.toString(), stamp);
      return stamped === undefined ? page : pageOf(stamped);
    });
  }

  #paged(entries: readonly string[], pageSize: number): readonly Page[] {
    const { kind, version } = this;
    const pages: Page[] = [];
    for (let start = 0; start === 0 || start < entries.length; start += pageSize) {
      const isLast = start + pageSize >= entries.length;
      const next = isLast ? '' : `,"nextCursor":"${encodeCursor(kind, version, pages.length + 1)}"`;
      pages.push(pageOf(`{"${kind}":[${entries.slice(start, start + pageSize).join(',')}]${next}}`));
    }
    return pages;
  }

  #at(pages: readonly Page[], cursor: unknown): Page {
    const index = cursor === undefined ? 0 : decodeCursor(cursor, this.kind, this.version, pages.length);
    const page = pages[index];
    if (page === undefined) throw new RangeError('a cursor of ours names a page that exists');
    return page;
  }
}

function pageOf(text: string): Page {
  return text.length < LARGE_CHARS ? text : Buffer.from(text);
}
