import { connect, type LookupFunction, type Socket } from 'node:net';
import type { Dispatcher } from 'undici';
import { type Writer, writeAtTurnEnd } from '../../turn-end.ts';
import type { ResponseHead } from './head.ts';
import { ResponseReader } from './response-reader.ts';

/** Bytes are taken out of it before the next read of any connection, so one is enough for all. */
const READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024);

/** What is put on the wire, and who hears what comes back: in bytes that are lent, and to be copied where they are kept. */
export interface OutgoingRequest {
  /** Head and body. */
  readonly data: string | Buffer;
  readonly encoding: 'latin1' | 'utf8';
  readonly handler: Dispatcher.DispatchHandler;
}

export interface ConnectionOptions {
  readonly host: string;
  readonly port: number;
  /** Resolves the host where it is a name. */
  readonly lookup?: LookupFunction;
  /** Milliseconds until it has to be there. */
  readonly connectTimeoutMs: number;
  /** A response is complete and the connection can take another request. */
  readonly onIdle: (connection: Connection) => void;
  readonly onClose: (connection: Connection) => void;
}

/** A connection to a server that takes one request at a time. */
export class Connection implements Writer {
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #reader: ResponseReader;
  readonly #connectTimer: NodeJS.Timeout;
  #exchange: Exchange | undefined;
  /** Leaves at the end of this turn. */
  #held: OutgoingRequest | undefined;
  #head: ResponseHead | undefined;
  #isClosed = false;
  /** Monotonic milliseconds until which it may be used again. */
  #usableUntil = 0;

  constructor(options: ConnectionOptions) {
    const { host, port, lookup, connectTimeoutMs } = options;
    this.#options = options;
    this.#reader = new ResponseReader({
      head: (head) => this.#started(head),
      data: (bytes) => this.#exchange?.data(bytes),
      end: (isLast) => this.#ended(isLast),
    });
    const callback = (size: number, buffer: Uint8Array) => this.#read(buffer as Buffer, size);
    this.#socket = connect({
      host,
      port,
      ...(lookup === undefined ? {} : { lookup }),
      noDelay: true,
      keepAlive: true,
      onread: { buffer: READ_BUFFER, callback },
    });
    this.#connectTimer = setTimeout(() => this.#fail(new ConnectTimeout(connectTimeoutMs)), connectTimeoutMs);
    this.#socket
      .on('connect', () => clearTimeout(this.#connectTimer))
      .on('error', (error) => this.#fail(error))
      .on('end', () => this.#closedByServer())
      .on('close', () => this.#closedByServer());
  }

  /** Whether an idle connection can be used still. */
  isUsable(now: number): boolean {
    return !this.#isClosed && now < this.#usableUntil;
  }

  send(request: OutgoingRequest): void {
    const exchange = new Exchange(request.handler, this.#socket, (error) => this.#fail(error));
    this.#exchange = exchange;
    this.#reader.expect();
    exchange.start();
    // The handler may have given up at once.
    if (this.#isClosed) return;
    this.#held = request;
    writeAtTurnEnd(this);
  }

  writeNow(): void {
    const request = this.#held;
    this.#held = undefined;
    if (request !== undefined) this.#socket.write(request.data, request.encoding);
  }

  destroy(): void {
    this.#fail(new SocketClosed('The client is closed'));
  }

  /** Returns false where no more is to be read for now. */
  #read(buffer: Buffer, size: number): boolean {
    try {
      if (!this.#isClosed) this.#reader.push(buffer.subarray(0, size));
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
    return this.#exchange?.paused !== true;
  }

  #started(head: ResponseHead): void {
    this.#head = head;
    this.#exchange?.head(head);
  }

  #ended(isLast: boolean): void {
    const exchange = this.#exchange;
    const head = this.#head;
    if (exchange === undefined || head === undefined) return;
    this.#exchange = undefined;
    this.#head = undefined;
    const keepMs = keptFor(head);
    // What has not left by now belongs to a request that the server did not wait for.
    const isUnsent = this.#held !== undefined || this.#socket.writableLength > 0;
    if (isLast || keepMs <= 0 || isUnsent) this.#close();
    else {
      this.#usableUntil = performance.now() + keepMs;
      if (exchange.paused) this.#socket.resume();
      this.#options.onIdle(this);
    }
    exchange.end();
  }

  #closedByServer(): void {
    if (this.#isClosed) return;
    try {
      if (this.#reader.close()) return this.#close();
    } catch (error) {
      return this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
    this.#fail(new SocketClosed('The server closed the connection'));
  }

  #fail(error: Error): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#close();
    exchange?.fail(error);
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#held = undefined;
    clearTimeout(this.#connectTimer);
    this.#socket.destroy();
    this.#options.onClose(this);
  }
}

/** One request and its response. Its handler is told of the end once. */
class Exchange implements Dispatcher.DispatchController {
  aborted = false;
  paused = false;
  reason: Error | null = null;
  readonly #handler: Dispatcher.DispatchHandler;
  readonly #socket: Socket;
  readonly #onAbort: (reason: Error) => void;
  #isOver = false;

  constructor(handler: Dispatcher.DispatchHandler, socket: Socket, onAbort: (reason: Error) => void) {
    this.#handler = handler;
    this.#socket = socket;
    this.#onAbort = onAbort;
  }

  abort(reason: Error): void {
    if (this.#isOver) return;
    this.aborted = true;
    this.reason = reason;
    this.#onAbort(reason);
  }

  pause(): void {
    if (this.#isOver) return;
    this.paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    if (!this.#isOver) this.#socket.resume();
  }

  start(): void {
    this.#handler.onRequestStart?.(this, {});
  }

  head({ status, headers }: ResponseHead): void {
    if (!this.#isOver) this.#handler.onResponseStart?.(this, status, headers);
  }

  data(bytes: Buffer): void {
    // Theirs only until this returns: the next read of any connection overwrites them.
    if (!this.#isOver) this.#handler.onResponseData?.(this, bytes);
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.paused = false;
    this.#handler.onResponseEnd?.(this, {});
  }

  fail(error: Error): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#handler.onResponseError?.(this, error);
  }
}

class ConnectTimeout extends Error {
  readonly code = 'ETIMEDOUT';

  constructor(ms: number) {
    super(`No connection within ${ms} ms`);
  }
}

/** Before a response was complete. */
class SocketClosed extends Error {
  readonly code = 'UND_ERR_SOCKET';
}

/** Idle connections are kept for so long where the server does not say how long it keeps them, in milliseconds, … */
const KEEP_MS = 4000;
/** … and so much less than it says, as it may close them before it has what is on its way. */
const MARGIN_MS = 2000;
const LONGEST_KEEP_MS = 600_000;

function keptFor({ keepsAlive, keepAliveMs }: ResponseHead): number {
  if (!keepsAlive) return 0;
  return keepAliveMs === undefined ? KEEP_MS : Math.min(keepAliveMs - MARGIN_MS, LONGEST_KEEP_MS);
}
