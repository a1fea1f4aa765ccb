import type { ServerResponse } from 'node:http';
import { SSE_COMMENT, sseEventText } from '../protocol/sse.ts';
import type { StreamWriter } from '../session/client-stream.ts';

/** Proxies drop connections that are silent for a minute or so. */
const KEEP_ALIVE_MS = 15_000;

/** A client that has left this much unread is not reading: its stream is ended, and it can open another. */
const MAX_UNREAD_BYTES = 4 * 1024 * 1024;

const HEAD = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache, no-transform',
  'x-accel-buffering': 'no',
};

/** All open streams, kept alive by one timer. */
export class EventStreams {
  readonly #open = new Set<ServerResponse>();
  readonly #timer: NodeJS.Timeout;

  constructor() {
    this.#timer = setInterval(() => {
      for (const response of this.#open) if (!response.writableNeedDrain) response.write(SSE_COMMENT);
    }, KEEP_ALIVE_MS);
    this.#timer.unref();
  }

  /** Writes the head of a stream with the first bytes that follow it, or now if `flush`. */
  start(response: ServerResponse, extra: Readonly<Record<string, string>>, flush: boolean): void {
    response.writeHead(200, { ...HEAD, ...extra });
    if (flush) response.flushHeaders();
    this.#open.add(response);
    response.on('close', () => this.#open.delete(response));
  }

  close(): void {
    clearInterval(this.#timer);
    for (const response of this.#open) response.end();
  }
}

/** The client's GET stream. */
export class ResponseStreamWriter implements StreamWriter {
  readonly #response: ServerResponse;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  write(text: string): void {
    if (this.#response.writableLength > MAX_UNREAD_BYTES) this.#response.destroy();
    else this.#response.write(sseEventText(text));
  }

  end(): void {
    this.#response.end();
  }
}
