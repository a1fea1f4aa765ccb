import { randomInt } from 'node:crypto';
import { SSE_COMMENT, SSE_EVENT_END, sseEventHead, sseEventText, sseRetryText } from '../protocol/sse.ts';
import type { ClientStream, StreamWriter } from '../session/client-stream.ts';
import type { StandaloneStream } from '../session/standalone-stream.ts';
import { type Place, WaitingLine } from '../session/waiting-line.ts';
import type { HttpResponse } from './http-io.ts';

/** Proxies drop connections that are silent for a minute or so. */
const KEEP_ALIVE_MS = 15_000;

/** A client that has left this much unread is not reading: its connection is cut, and it can come back for the rest. */
const MAX_UNREAD_BYTES = 4 * 1024 * 1024;

/** How long a client that lost its connection is asked to wait before it comes back. */
const RETRY_MS = 1000;

/** Clients of a node that leaves come back at other nodes, and not all at once. */
const SPREAD_MS = 1000;

const HEAD = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
};

/** An answer that was not there at once is made a stream after one to two of these. */
const OPENING_MS = 50;

/** Opens a stream, for an answer that takes its time. */
export interface Opening {
  open(): void;
}

/** All open streams, kept alive by one timer. */
export class EventStreams {
  readonly #open = new Set<HttpResponse>();
  /** In the middle of a message: a comment there would be a part of it. */
  readonly #halfSent = new WeakSet<HttpResponse>();
  readonly #timer: NodeJS.Timeout;
  readonly #openings = new WaitingLine<Opening>();
  #opener: NodeJS.Timeout | undefined;
  #isLeaving = false;

  constructor() {
    this.#timer = setInterval(() => {
      for (const response of this.#open) if (this.#mayComment(response)) response.write(SSE_COMMENT);
    }, KEEP_ALIVE_MS);
    this.#timer.unref();
  }

  /**
   * Opens a stream before long, unless it is not wanted any more by then. A server may answer with a stream that holds its
   * answer and nothing else: that is as good without one, and costs much less. Whoever does not want it any more leaves the
   * place that is returned.
   */
  openSoon(opening: Opening): Place<Opening> {
    this.#opener ??= setInterval(() => this.#openLate(), OPENING_MS).unref();
    return this.#openings.add(opening);
  }

  /** Makes a response an event stream. Its head leaves with the first event, or with {@link HttpResponse.flushHeaders}. */
  start(response: HttpResponse): void {
    response.writeHead(200, HEAD);
    this.#open.add(response);
    response.on('close', () => this.#open.delete(response));
  }

  /**
   * Connects a response to a stream until one of the two ends. `after`: the last event that the client has seen.
   * `primed`: its client is asked to wait a little before it comes back.
   */
  connect(response: HttpResponse, stream: ClientStream, after: number | undefined, primed: boolean): void {
    this.start(response);
    if (primed) response.write(sseRetryText(RETRY_MS));
    this.join(
      response,
      this.#writer(response, () => {}),
      stream,
      after,
    );
  }

  /** The same for a response that is a stream already, under its writer. */
  join(response: HttpResponse, writer: StreamWriter, stream: ClientStream, after: number | undefined): void {
    if (response.destroyed) return;
    const drained = () => stream.drained?.();
    response.on('drain', drained);
    response.on('close', () => {
      stream.detach(writer);
      drained();
    });
    stream.attach(writer, after);
  }

  /** Connects a response to a session's standalone stream; see {@link StandaloneStream.attach}. */
  async connectStandalone(
    response: HttpResponse,
    stream: StandaloneStream,
    after: Parameters<StandaloneStream['attach']>[1],
    primed: boolean,
  ): Promise<void> {
    const writer = this.#writer(response, () => this.#startPrimed(response, primed));
    await stream.attach(writer, after, primed);
    writer.open();
    if (response.destroyed) stream.detach(writer);
    else response.on('close', () => stream.detach(writer));
  }

  /** A writer to a response that is a stream from now on; `primed` as in {@link connect}. */
  writer(response: HttpResponse, primed: boolean): StreamWriter {
    const writer = this.#writer(response, () => this.#startPrimed(response, primed));
    writer.open();
    return writer;
  }

  /** From now on streams that end tell their clients when to come back, each another time. */
  leave(): void {
    this.#isLeaving = true;
  }

  /** For a client that is to come back, at another node: a stream that is over, with nothing in it. */
  turnAway(response: HttpResponse): void {
    this.writer(response, false).end();
  }

  close(): void {
    clearInterval(this.#timer);
    clearInterval(this.#opener);
  }

  #openLate(): void {
    for (const opening of this.#openings.takeUntil(performance.now() - OPENING_MS)) opening.open();
    if (!this.#openings.isEmpty) return;
    clearInterval(this.#opener);
    this.#opener = undefined;
  }

  /** Not after the end: one whose client reads slowly is open for a while longer. */
  #mayComment(response: HttpResponse): boolean {
    return !response.writableEnded && !response.writableNeedDrain && !this.#halfSent.has(response);
  }

  #startPrimed(response: HttpResponse, primed: boolean): void {
    this.start(response);
    if (primed) response.write(sseRetryText(RETRY_MS));
  }

  #writer(response: HttpResponse, open: () => void): ResponseStreamWriter {
    const lastWords = () => (this.#isLeaving ? sseRetryText(randomInt(SPREAD_MS)) : undefined);
    return new ResponseStreamWriter(response, open, lastWords, this.#halfSent);
  }
}

class ResponseStreamWriter implements StreamWriter {
  readonly #response: HttpResponse;
  readonly #open: () => void;
  readonly #lastWords: () => string | undefined;
  readonly #halfSent: WeakSet<HttpResponse>;

  /** `open` makes the response a stream, before the first byte; `lastWords` are what it ends with. */
  constructor(
    response: HttpResponse,
    open: () => void,
    lastWords: () => string | undefined,
    halfSent: WeakSet<HttpResponse>,
  ) {
    this.#response = response;
    this.#open = open;
    this.#lastWords = lastWords;
    this.#halfSent = halfSent;
  }

  /** The client learns that it is connected, also where there is nothing to tell it yet. */
  open(): void {
    if (this.#response.headersSent || this.#response.destroyed) return;
    this.#open();
    this.#response.flushHeaders();
  }

  write(data: string, id: string | undefined): boolean {
    if (this.#response.destroyed) return true;
    this.open();
    if (this.#response.writableLength > MAX_UNREAD_BYTES) {
      this.#response.destroy();
      return true;
    }
    return this.#response.write(sseEventText(data, id));
  }

  begin(id: string): void {
    this.#halfSent.add(this.#response);
    this.#response.write(sseEventHead(id));
  }

  part(bytes: Buffer): boolean {
    return this.#response.destroyed || this.#response.write(bytes);
  }

  finish(): void {
    this.#halfSent.delete(this.#response);
    this.#response.write(SSE_EVENT_END);
  }

  end(): void {
    this.#response.end(this.#lastWords());
  }
}
