import type { Socket } from 'node:net';
import { type Writer, writeAtTurnEnd } from '../../turn-end.ts';
import { type PlainHead, readPlainHead } from './plain-head.ts';
import { PlainRequest } from './plain-request.ts';
import { PlainResponse, type ResponseConnection } from './plain-response.ts';

type ServePlain = (request: PlainRequest, response: PlainResponse, socket: Socket) => void;

/** Requests that are plain, as far as their first line tells. */
export interface PlainRoute {
  /** What they begin with, the line's end included. */
  readonly requestLine: string;
  readonly hasBody: boolean;
  readonly serve: ServePlain;
}

export interface PlainConnectionOptions {
  readonly routes: readonly PlainRoute[];
  /** Lines of a response's head which say how long the connection is kept. */
  readonly keepAlive: string;
  /** Takes a connection over with what has been read of it, the beginning of a request: that is not plain. */
  readonly handOver: (socket: Socket, bytes: Buffer) => void;
  readonly onClose: (connection: PlainConnection) => void;
}

const HEAD_END = Buffer.from('\r\n\r\n');

/** What is larger is for a reader that takes it piece by piece. */
const MAX_HEAD_BYTES = 8 * 1024;
const MAX_BODY_BYTES = 64 * 1024;

/** What a client may send ahead of its answers before it is read no further. */
const MAX_AHEAD_BYTES = 64 * 1024;

/** Characters that are held at a time. */
const MAX_HELD = 32 * 1024;

/** What a connection is waited for: its next request, the rest of one, or the answer. */
export type Phase = 'idle' | 'head' | 'body' | 'answer';

/** A connection as long as it carries plain requests, one at a time. */
export class PlainConnection implements ResponseConnection, Writer {
  /** Milliseconds of `performance.now()` since when it is in its phase, as of the last look at it. */
  since: number | undefined;
  phase: Phase = 'head';
  readonly #options: PlainConnectionOptions;
  readonly #socket: Socket;
  /** Of a request that is not complete; while one is answered, of those behind it. */
  #rest: Buffer | undefined;
  #response: PlainResponse | undefined;
  /** Many requests of a connection have the same head. */
  #headText = '';
  #head: PlainHead | undefined;
  #route: PlainRoute | undefined;
  #isReading = false;
  /** Text that leaves at the end of this turn, in one encoding. */
  #held = '';
  #encoding: BufferEncoding = 'utf8';
  /** The response ends with what is held: whether it is the last. */
  #isEndHeld: boolean | undefined;
  readonly #onData = (chunk: Buffer) => this.#push(chunk);
  readonly #onDrain = () => this.#response?.drained();
  readonly #onEnd = () => this.#clientEnded();
  readonly #onClose = () => this.#closed();
  readonly #onError = () => this.#socket.destroy();

  constructor(socket: Socket, options: PlainConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    socket
      .on('data', this.#onData)
      .on('drain', this.#onDrain)
      .on('end', this.#onEnd)
      .on('close', this.#onClose)
      .on('error', this.#onError);
  }

  get writableLength(): number {
    return this.#socket.writableLength + this.#held.length;
  }

  get writableNeedDrain(): boolean {
    return this.#socket.writableNeedDrain;
  }

  write(data: string | Buffer, encoding: BufferEncoding = 'utf8'): boolean {
    if (this.#held !== '' && (encoding !== this.#encoding || this.#held.length + data.length > MAX_HELD))
      this.writeNow();
    if (typeof data !== 'string' || data.length > MAX_HELD) {
      this.writeNow();
      return this.#socket.write(data, encoding);
    }
    const isFirst = this.#held === '';
    this.#held += data;
    this.#encoding = encoding;
    if (isFirst) writeAtTurnEnd(this);
    return !this.#socket.writableNeedDrain;
  }

  writeNow(): void {
    const held = this.#held;
    if (held === '') return;
    this.#held = '';
    this.#socket.write(held, this.#encoding);
    const isLast = this.#isEndHeld;
    this.#isEndHeld = undefined;
    if (isLast !== undefined) this.ended(isLast);
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  destroy(): void {
    this.writeNow();
    this.#socket.destroy();
  }

  /** The response is written: when it is out the next request's turn has come. */
  ended(isLast: boolean): void {
    if (this.#held !== '') this.#isEndHeld = isLast;
    else if (this.#socket.writableLength === 0) this.#answered(isLast);
    else this.#socket.write('', () => this.#answered(isLast));
  }

  #push(chunk: Buffer): void {
    if (this.#rest === undefined) this.#rest = chunk;
    else this.#rest = Buffer.concat([this.#rest, chunk]);
    if (this.#response === undefined) this.#read();
    else if (this.#rest.length > MAX_AHEAD_BYTES) this.#socket.pause();
  }

  /** Reads requests until one is not complete or has to be answered first. */
  #read(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    while (this.#rest !== undefined && this.#response === undefined && this.#next(this.#rest)) {
      // Answered at once.
    }
    this.#isReading = false;
  }

  /** Serves the first request of these bytes. False: it is not complete, or for others. */
  #next(bytes: Buffer): boolean {
    const end = bytes.indexOf(HEAD_END);
    if ((end === -1 ? bytes.length : end) > MAX_HEAD_BYTES) return this.#handOver(bytes);
    if (end === -1) return this.#isPlainSoFar(bytes) ? this.#waitFor('head') : this.#handOver(bytes);
    const head = this.#parse(bytes.toString('latin1', 0, end));
    const route = this.#route;
    if (head === undefined || route === undefined || head.bodyLength > MAX_BODY_BYTES)
      return this.#handOver(bytes);
    const start = end + HEAD_END.length;
    const next = start + head.bodyLength;
    if (bytes.length < next) return this.#waitFor('body');
    this.#rest = bytes.length === next ? undefined : bytes.subarray(next);
    this.#serve(route, new PlainRequest(head.headers, bytes.subarray(start, next), this.#socket));
    return true;
  }

  #parse(text: string): PlainHead | undefined {
    if (text === this.#headText) return this.#head;
    const route = this.#options.routes.find(({ requestLine }) => text.startsWith(requestLine));
    this.#route = route;
    this.#head = route && readPlainHead(text.slice(route.requestLine.length), route.hasBody);
    this.#headText = text;
    return this.#head;
  }

  #isPlainSoFar(bytes: Buffer): boolean {
    return this.#options.routes.some(({ requestLine }) =>
      requestLine.startsWith(bytes.toString('latin1', 0, requestLine.length)),
    );
  }

  #serve({ serve }: PlainRoute, request: PlainRequest): void {
    const response = new PlainResponse(this, this.#options.keepAlive);
    this.#response = response;
    this.#waitFor('answer');
    serve(request, response, this.#socket);
  }

  #answered(isLast: boolean): void {
    const response = this.#response;
    if (response === undefined) return;
    this.#response = undefined;
    this.#waitFor('idle');
    response.closed();
    if (isLast) return this.#end();
    if (this.#rest === undefined) return;
    // Not within the call that has written the answer.
    queueMicrotask(() => {
      if (this.#socket.destroyed) return;
      this.#socket.resume();
      this.#read();
    });
  }

  /** What is asked behind the last answer is not done: its client could not be told. */
  #end(): void {
    this.#rest = undefined;
    this.#socket.off('data', this.#onData).destroySoon();
  }

  #waitFor(phase: Phase): false {
    if (phase !== this.phase) this.since = undefined;
    this.phase = phase;
    return false;
  }

  #handOver(bytes: Buffer): false {
    const socket = this.#socket;
    this.#rest = undefined;
    socket
      .off('data', this.#onData)
      .off('drain', this.#onDrain)
      .off('end', this.#onEnd)
      .off('close', this.#onClose)
      .off('error', this.#onError)
      .pause();
    this.#options.onClose(this);
    this.#options.handOver(socket, bytes);
    return false;
  }

  /** Whoever sends no more waits for no answer, as with Node's servers; one that is on its way out goes there. */
  #clientEnded(): void {
    if (this.#response?.writableEnded === false) return void this.#socket.destroy();
    this.writeNow();
    this.#socket.destroySoon();
  }

  #closed(): void {
    this.#rest = undefined;
    this.#held = '';
    this.#options.onClose(this);
    const response = this.#response;
    this.#response = undefined;
    response?.closed();
  }
}
