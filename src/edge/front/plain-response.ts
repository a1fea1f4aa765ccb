import { type OutgoingHttpHeaders, STATUS_CODES } from 'node:http';
import type { HttpResponse } from '../http-io.ts';

/** The connection that a response goes out on. */
export interface ResponseConnection {
  readonly writableLength: number;
  readonly writableNeedDrain: boolean;
  write(data: string | Buffer, encoding?: BufferEncoding): boolean;
  /** Until the second, what is written goes out together. */
  cork(): void;
  uncork(): void;
  /** The response is written to its end; `isLast`: the connection carries no other. */
  ended(isLast: boolean): void;
  destroy(): void;
}

interface Listener {
  readonly event: 'drain' | 'close';
  readonly listener: () => void;
}

const LAST_CHUNK = '0\r\n\r\n';

/** Characters that wait for what is written after them in the same turn. */
const MAX_HELD = 16 * 1024;

/** Fewer bytes are cheaper as text. */
const MAX_HELD_BYTES = 512;

/** The answer to a plain request, on HTTP/1.1: head and body in one write where they come together. */
export class PlainResponse implements HttpResponse {
  destroyed = false;
  headersSent = false;
  writableEnded = false;
  readonly #connection: ResponseConnection;
  readonly #keepAlive: string;
  #status = 200;
  #headers: OutgoingHttpHeaders | undefined;
  #isHeadOut = false;
  #isChunked = false;
  #isLast = false;
  #isHeadWanted = false;
  #isFlushing = false;
  /** Of the body, not written yet; in one encoding. */
  #held = '';
  #encoding: BufferEncoding = 'latin1';
  /** Most answers need none. */
  #listeners: Listener[] | undefined;

  /** `keepAlive`: lines of the head which say how long the connection is kept. */
  constructor(connection: ResponseConnection, keepAlive: string) {
    this.#connection = connection;
    this.#keepAlive = keepAlive;
  }

  get writableLength(): number {
    return this.destroyed ? 0 : this.#connection.writableLength;
  }

  get writableNeedDrain(): boolean {
    return !this.destroyed && this.#connection.writableNeedDrain;
  }

  /** The connection is to end with this response: as long as its head is not out. */
  setHeader(_name: 'connection', _value: 'close'): this {
    if (!this.#isHeadOut) this.#isLast = true;
    return this;
  }

  writeHead(status: number, headers?: OutgoingHttpHeaders): this {
    this.headersSent = true;
    this.#status = status;
    this.#headers = headers;
    if (headers?.['connection'] === 'close') this.#isLast = true;
    return this;
  }

  flushHeaders(): void {
    if (this.destroyed || this.writableEnded) return;
    this.#isHeadWanted = true;
    this.#flushSoon();
  }

  write(data: string | Buffer, encoding: BufferEncoding = 'utf8'): boolean {
    if (this.destroyed || this.writableEnded) return false;
    if (data.length > (typeof data === 'string' ? MAX_HELD : MAX_HELD_BYTES))
      return this.#writeLarge(data, encoding);
    if (typeof data === 'string') this.#hold(data, encoding);
    else this.#hold(data.toString('latin1'), 'latin1');
    if (this.#held.length > MAX_HELD) this.#flush();
    else this.#flushSoon();
    return !this.#connection.writableNeedDrain;
  }

  end(data: string | Buffer = '', encoding: BufferEncoding = 'utf8'): this {
    if (this.destroyed || this.writableEnded) return this;
    this.#finish(data, encoding);
    this.writableEnded = true;
    this.#connection.ended(this.#isLast);
    return this;
  }

  destroy(): this {
    if (this.destroyed) return this;
    this.destroyed = true;
    this.#connection.destroy();
    return this;
  }

  on(event: Listener['event'], listener: () => void): this {
    this.#listeners ??= [];
    this.#listeners.push({ event, listener });
    return this;
  }

  off(event: Listener['event'], listener: () => void): this {
    this.#listeners = this.#listeners?.filter((each) => each.event !== event || each.listener !== listener);
    return this;
  }

  /** The client takes more again. */
  drained(): void {
    this.#tell('drain');
  }

  /** The last byte is out, or nothing more can be. Whoever has ended it is through with that when listeners are told. */
  closed(): void {
    this.destroyed = true;
    if (this.#listeners !== undefined) queueMicrotask(() => this.#tell('close'));
  }

  #tell(what: Listener['event']): void {
    for (const { event, listener } of this.#listeners?.slice() ?? []) if (event === what) listener();
  }

  #finish(data: string | Buffer, encoding: BufferEncoding): void {
    if (typeof data === 'string' && data.length <= MAX_HELD) {
      this.#hold(data, encoding);
      return this.#finishHeld();
    }
    if (this.#isHeadOut || this.#held !== '') {
      this.#writeLarge(data, encoding);
      return this.#finishHeld();
    }
    this.#write(this.#head(sizeOf(data, encoding)), data, '', encoding);
  }

  /** All of the body that is left, and its end. */
  #finishHeld(): void {
    const held = this.#take();
    if (!this.#isHeadOut) this.#write(this.#head(sizeOf(held, this.#encoding)), held, '', this.#encoding);
    else if (!this.#isChunked) this.#connection.write(held, this.#encoding);
    else if (held === '') this.#connection.write(LAST_CHUNK, 'latin1');
    else {
      const size = sizeOf(held, this.#encoding).toString(16);
      this.#write(`${size}\r\n`, held, `\r\n${LAST_CHUNK}`, this.#encoding);
    }
  }

  /** Together with what is held, where the two are no chunks of their own. */
  #writeLarge(data: string | Buffer, encoding: BufferEncoding): boolean {
    let before = this.#headOnce();
    if (this.#held !== '') {
      if (this.#isChunked || typeof data === 'string' || this.#encoding !== 'latin1') {
        this.#send(before, this.#take(), this.#encoding);
        before = '';
      } else before += this.#take();
    }
    return this.#send(before, data, encoding);
  }

  #hold(data: string, encoding: BufferEncoding): void {
    // What is ASCII alone is the same in both, and needs no encoding in the one.
    const isLatin1 = encoding === 'latin1' || Buffer.byteLength(data) === data.length;
    if (this.#held !== '' && isLatin1 !== (this.#encoding === 'latin1')) this.#flush();
    if (this.#held === '') this.#encoding = isLatin1 ? 'latin1' : 'utf8';
    this.#held += data;
  }

  #take(): string {
    const held = this.#held;
    this.#held = '';
    return held;
  }

  /** Small pieces of one turn leave together, with the head where that is not out, and with the end where it comes. */
  #flushSoon(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    queueMicrotask(() => {
      this.#isFlushing = false;
      if (this.destroyed || this.writableEnded) return;
      this.#flush();
      if (this.#isHeadWanted) this.#writeHead();
    });
  }

  #flush(): void {
    if (this.#held !== '') this.#send(this.#headOnce(), this.#take(), this.#encoding);
  }

  #writeHead(): void {
    const head = this.#headOnce();
    if (head !== '') this.#connection.write(head, 'latin1');
  }

  #headOnce(): string {
    return this.#isHeadOut ? '' : this.#head(undefined);
  }

  /** A piece of the body, as a chunk where its length was not told before. */
  #send(head: string, data: string | Buffer, encoding: BufferEncoding): boolean {
    if (!this.#isChunked) return this.#write(head, data, '', encoding);
    return this.#write(`${head}${sizeOf(data, encoding).toString(16)}\r\n`, data, '\r\n', encoding);
  }

  /** In one write where all is text; else at least together. */
  #write(before: string, data: string | Buffer, after: string, encoding: BufferEncoding): boolean {
    const connection = this.#connection;
    if (typeof data === 'string') return connection.write(before + data + after, encoding);
    connection.cork();
    if (before !== '') connection.write(before, 'latin1');
    if (data.length > 0) connection.write(data);
    if (after !== '') connection.write(after, 'latin1');
    connection.uncork();
    return !connection.writableNeedDrain;
  }

  /** `size`: of the whole body, where it is known and nothing of it is out. */
  #head(size: number | undefined): string {
    this.#isHeadOut = true;
    this.headersSent = true;
    let text = `${statusLine(this.#status)}${dateLine()}${this.#isLast ? 'connection: close\r\n' : this.#keepAlive}`;
    const headers = this.#headers;
    let hasLength = false;
    for (const name in headers) {
      // It stands in the line above.
      if (name === 'connection') continue;
      text += `${name}: ${headers[name]}\r\n`;
      if (name === 'content-length') hasLength = true;
    }
    if (hasLength || this.#status === 204) return `${text}\r\n`;
    if (size !== undefined) return `${text}content-length: ${size}\r\n\r\n`;
    this.#isChunked = true;
    return `${text}transfer-encoding: chunked\r\n\r\n`;
  }
}

function sizeOf(data: string | Buffer, encoding: BufferEncoding): number {
  return typeof data === 'string' ? Buffer.byteLength(data, encoding) : data.length;
}

function statusLine(status: number): string {
  return status === 200
    ? 'HTTP/1.1 200 OK\r\n'
    : `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n`;
}

let dateAt = 0;
let dateText = '';

/** Made anew once a second: that is all it tells. */
function dateLine(): string {
  const second = Math.trunc(Date.now() / 1000);
  if (second !== dateAt) {
    dateAt = second;
    dateText = `date: ${new Date(second * 1000).toUTCString()}\r\n`;
  }
  return dateText;
}
