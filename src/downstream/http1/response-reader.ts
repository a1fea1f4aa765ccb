import { MAX_HEAD_BYTES, MalformedResponse, parseHead, type ResponseHead } from './head.ts';

export interface ResponseEvents {
  head(head: ResponseHead): void;
  /** The bytes are the reader's caller's again afterwards. */
  data(bytes: Buffer): void;
  /** `isLast`: more has come than belongs to the response, or the connection is at its end. */
  end(isLast: boolean): void;
}

const HEAD_END = Buffer.from('\r\n\r\n');

/** More than the hexadecimal length of a chunk and what may stand beside it. */
const MAX_LINE_BYTES = 4096;

const CHUNK_LINE = /^([\da-f]{1,12})[\t ]*(?:;[^\0]*)?$/i;

type State = 'idle' | 'head' | 'bytes' | 'until-close' | 'chunk-line' | 'chunk' | 'chunk-end' | 'trailers';

/** Reads HTTP/1.1 responses off the bytes of a connection, in whichever pieces those come. */
export class ResponseReader {
  readonly #events: ResponseEvents;
  #state: State = 'idle';
  /** What came of a head or line that is not complete. */
  #rest: Buffer | undefined;
  /** Of the body or the chunk. */
  #left = 0;

  constructor(events: ResponseEvents) {
    this.#events = events;
  }

  /** A request has been sent: a response is to come. */
  expect(): void {
    this.#state = 'head';
  }

  /** Throws {@link MalformedResponse}, and what the events throw. */
  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      switch (this.#state) {
        case 'idle':
          throw new MalformedResponse('A response came that nobody had asked for');
        case 'head':
          at = this.#head(bytes, at);
          break;
        case 'bytes':
        case 'chunk':
          at = this.#body(bytes, at);
          break;
        case 'until-close':
          this.#events.data(at === 0 ? bytes : bytes.subarray(at));
          return;
        case 'chunk-line':
        case 'chunk-end':
        case 'trailers':
          at = this.#line(bytes, at);
          break;
      }
    }
  }

  /** The connection has ended. Returns false where that breaks a response off. */
  close(): boolean {
    if (this.#state === 'idle') return true;
    if (this.#state !== 'until-close') return false;
    this.#state = 'idle';
    this.#events.end(true);
    return true;
  }

  #head(bytes: Buffer, at: number): number {
    const rest = this.#rest;
    const all = rest === undefined ? bytes : Buffer.concat([rest, bytes.subarray(at)]);
    const start = rest === undefined ? at : 0;
    const end = all.indexOf(HEAD_END, Math.max(start, (rest?.length ?? 0) - HEAD_END.length));
    if ((end === -1 ? all.length : end) - start > MAX_HEAD_BYTES)
      throw new MalformedResponse('A head is too long');
    if (end === -1) {
      this.#rest = Buffer.from(all.subarray(start));
      return bytes.length;
    }
    this.#rest = undefined;
    const next = at + end + HEAD_END.length - start - (rest?.length ?? 0);
    const head = parseHead(all.toString('latin1', start, end));
    if (head.status === 101) throw new MalformedResponse('A response changes the protocol');
    // One of these comes before the response proper.
    if (head.status < 200) return next;
    this.#events.head(head);
    this.#begin(head, next < bytes.length);
    return next;
  }

  #begin({ body }: ResponseHead, hasMore: boolean): void {
    if (body === 'chunked') this.#state = 'chunk-line';
    else if (body === 'until-close') this.#state = 'until-close';
    else if (body === 0) this.#end(hasMore);
    else {
      this.#state = 'bytes';
      this.#left = body;
    }
  }

  #body(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#left);
    this.#left -= end - at;
    this.#events.data(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end));
    if (this.#left > 0) return end;
    if (this.#state === 'chunk') this.#state = 'chunk-end';
    else this.#end(end < bytes.length);
    return end;
  }

  /** A line of the framing of chunks. */
  #line(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(10, at);
    const piece = bytes.subarray(at, end === -1 ? bytes.length : end + 1);
    const line = this.#rest === undefined ? piece : Buffer.concat([this.#rest, piece]);
    if (line.length > MAX_LINE_BYTES) throw new MalformedResponse('A line between chunks is too long');
    this.#rest = end === -1 ? Buffer.from(line) : undefined;
    if (end === -1) return bytes.length;
    if (line.at(-2) !== 13) throw new MalformedResponse('A line between chunks does not end as it should');
    this.#lineRead(line.toString('latin1', 0, line.length - 2), end + 1 < bytes.length);
    return end + 1;
  }

  #lineRead(line: string, hasMore: boolean): void {
    if (this.#state === 'trailers') {
      if (line === '') this.#end(hasMore);
      return;
    }
    if (this.#state === 'chunk-end') {
      if (line !== '') throw new MalformedResponse('A chunk is longer than it says');
      this.#state = 'chunk-line';
      return;
    }
    const length = CHUNK_LINE.exec(line)?.[1];
    if (length === undefined) throw new MalformedResponse('A chunk has no length');
    this.#left = Number.parseInt(length, 16);
    this.#state = this.#left === 0 ? 'trailers' : 'chunk';
  }

  #end(isLast: boolean): void {
    this.#state = 'idle';
    this.#events.end(isLast);
  }
}
