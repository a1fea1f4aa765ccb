import { EventEmitter } from 'node:events';
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

const LAST_CHUNK = '0\r\n\r\n';

/** The answer to a plain request, on HTTP/1.1: head and body in one write where they come together. */
export class PlainResponse extends EventEmitter implements HttpResponse {
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

  /** `keepAlive`: lines of the head which say how long the connection is kept. */
  constructor(connection: ResponseConnection, keepAlive: string) {
    super();
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
    return this;
  }

  flushHeaders(): void {
    if (!this.#isHeadOut && !this.destroyed) this.#connection.write(this.#head(undefined), 'latin1');
  }

  write(data: string | Buffer, encoding: BufferEncoding = 'utf8'): boolean {
    if (this.destroyed || this.writableEnded) return false;
    if (data.length === 0) return true;
    const head = this.#isHeadOut ? '' : this.#head(undefined);
    if (!this.#isChunked) return this.#write(head, data, '', encoding);
    const size = typeof data === 'string' ? Buffer.byteLength(data, encoding) : data.length;
    return this.#write(`${head}${size.toString(16)}\r\n`, data, '\r\n', encoding);
  }

  end(data: string | Buffer = '', encoding: BufferEncoding = 'utf8'): this {
    if (this.destroyed || this.writableEnded) return this;
    if (this.#isHeadOut) {
      this.write(data, encoding);
      if (this.#isChunked) this.#connection.write(LAST_CHUNK, 'latin1');
    } else {
      const size = typeof data === 'string' ? Buffer.byteLength(data, encoding) : data.length;
      this.#write(this.#head(size), data, '', encoding);
    }
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

  /** The last byte is out, or nothing more can be. */
  closed(): void {
    this.destroyed = true;
    this.emit('close');
  }

  /** In one write where both are text; else at least together. */
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
      text += `${name}: ${headers[name]}\r\n`;
      if (name === 'content-length') hasLength = true;
    }
    if (hasLength || this.#status === 204) return `${text}\r\n`;
    if (size !== undefined) return `${text}content-length: ${size}\r\n\r\n`;
    this.#isChunked = true;
    return `${text}transfer-encoding: chunked\r\n\r\n`;
  }
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
