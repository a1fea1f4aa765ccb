import { createHash } from 'node:crypto';
import { decodeCursor, encodeCursor, type ListKind } from '../protocol/cursor.ts';
import { type ResultStamp, stampResult } from '../protocol/modern/result.ts';
import type { Pace } from './pace.ts';

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
  /** The same as clients of the modern era get them, each made when it is first asked for. */
  readonly #stamped: Page[] = [];
  #stamp: ResultStamp | undefined;

  private constructor(kind: ListKind, version: string, modern: readonly Page[], legacy: readonly Page[]) {
    this.kind = kind;
    this.version = version;
    this.#modern = modern;
    this.#pages = legacy;
  }

  /** `legacy`: the same entries for clients of the legacy era, where some differ. */
  static async of(
    kind: ListKind,
    entries: readonly string[],
    pageSize: number,
    pace: Pace,
    legacy = entries,
  ): Promise<ListPages> {
    const version = await versionOf(entries, pace);
    const paged = (texts: readonly string[]) => pagesOf(kind, version, texts, pageSize, pace);
    const modern = await paged(entries);
    return new ListPages(kind, version, modern, legacy === entries ? modern : await paged(legacy));
  }

  /** The result of a list request. Throws InvalidParams for a bad or outdated cursor. */
  page(cursor: unknown): Page {
    return pageAt(this.#pages, this.#indexOf(cursor));
  }

  /** The same with what results of the modern era must say. `stampOf` is asked the first time. */
  stampedPage(cursor: unknown, stampOf: () => ResultStamp): Page {
    const index = this.#indexOf(cursor);
    this.#stamp ??= stampOf();
    const page = this.#stamped[index] ?? stamped(pageAt(this.#modern, index), this.#stamp);
    this.#stamped[index] = page;
    return page;
  }

  #indexOf(cursor: unknown): number {
    return cursor === undefined ? 0 : decodeCursor(cursor, this.kind, this.version, this.#modern.length);
  }
}

function pageAt(pages: readonly Page[], index: number): Page {
  const page = pages[index];
  if (page === undefined) throw new RangeError('a cursor of ours names a page that exists');
  return page;
}

function stamped(page: Page, stamp: ResultStamp): Page {
  const text = stampResult(page.toString(), stamp);
  return text === undefined ? page : pageOf(text);
}

async function versionOf(entries: readonly string[], pace: Pace): Promise<string> {
  const hash = createHash('sha256');
  for (const entry of entries) {
    hash.update(entry).update('\n');
    if (pace.isDue) await pace.rest();
  }
  return hash.digest('base64url').slice(0, 12);
}

async function pagesOf(
  kind: ListKind,
  version: string,
  entries: readonly string[],
  pageSize: number,
  pace: Pace,
): Promise<readonly Page[]> {
  const pages: Page[] = [];
  for (let start = 0; start === 0 || start < entries.length; start += pageSize) {
    const isLast = start + pageSize >= entries.length;
    const next = isLast ? '' : `,"nextCursor":"${encodeCursor(kind, version, pages.length + 1)}"`;
    pages.push(pageOf(`{"${kind}":[${entries.slice(start, start + pageSize).join(',')}]${next}}`));
    if (!isLast) await pace.rest();
  }
  return pages;
}

function pageOf(text: string): Page {
  return text.length < LARGE_CHARS ? text : Buffer.from(text);
}
