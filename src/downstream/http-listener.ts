import type { Dispatcher } from 'undici';
import { type Message, parseMessage } from '../protocol/envelope.ts';
import { type SseEvent, SseParser } from '../protocol/sse.ts';
import { Backoff } from './backoff.ts';
import { headerOf } from './http-client.ts';
import { patiently } from './patience.ts';

const MAX_DEPTH = 512;

/** How long requests wait for the stream that is opened before them. */
const OPENING_MS = 250;

/** A stream that lived this long was a good one: its end is no failure. */
const HEALTHY_MS = 10_000;

export interface ListenerOptions {
  readonly maxMessageBytes: number;
  /** Sends the GET. `lastEventId` asks for what came after it. */
  readonly connect: (lastEventId: string | undefined, handler: Dispatcher.DispatchHandler) => void;
  /** `eventId`: under which the server sent it, where it gives ids. */
  readonly onMessage: (message: Message, eventId: string | undefined) => void;
  /** The server gave an event id, and no message with it. */
  readonly onEventId: (eventId: string) => void;
  /** Where to go on; absent: from now. */
  readonly lastEventId: string | undefined;
  /**
   * The server answered 404: it does not know our session any more, or, unless it ever gave a stream, has none to give.
   * The listener has stopped.
   */
  readonly onSessionLost: (hadStream: boolean) => void;
}

/** The GET stream of a downstream session: opened again whenever it ends, until closed or until the server says that it has none. */
export class HttpListener {
  readonly #options: ListenerOptions;
  readonly #backoff = new Backoff(500, 30_000);
  #controller: Dispatcher.DispatchController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lastEventId: string | undefined;
  #retryMs = 0;
  #hadStream = false;
  #closed = false;
  /** While the first connection is being made, for a moment at most: some servers answer a GET with their first message. */
  opening: Promise<void> | undefined;
  #opened = () => {};

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#lastEventId = options.lastEventId;
    this.opening = patiently((opened) => {
      this.#opened = opened;
      this.#connect();
    }, OPENING_MS).then(() => {
      this.opening = undefined;
    });
  }

  close(): void {
    this.#closed = true;
    this.#opened();
    clearTimeout(this.#timer);
    this.#controller?.abort(new Error('closed'));
  }

  #connect(): void {
    const parser = new SseParser((event) => this.#event(event), this.#options.maxMessageBytes);
    let openedAt = 0;
    let over = false;
    const ended = () => {
      this.#opened();
      if (over) return;
      over = true;
      this.#again(openedAt > 0 && Date.now() - openedAt > HEALTHY_MS);
    };
    this.#options.connect(this.#lastEventId, {
      onRequestStart: (controller) => {
        this.#controller = controller;
        if (this.#closed) controller.abort(new Error('closed'));
      },
      onResponseStart: (controller, status, headers) => {
        if (status < 200) return;
        this.#opened();
        const isStream = (headerOf(headers, 'content-type') ?? '').startsWith('text/event-stream');
        if (status === 200 && isStream) {
          openedAt = Date.now();
          this.#hadStream = true;
          return;
        }
        // 409: another node still has the one stream that some servers give to a session.
        over = status < 500 && status !== 429 && status !== 409;
        controller.abort(new Error(`HTTP ${status}`));
        if (status === 404 && !this.#closed) this.#options.onSessionLost(this.#hadStream);
      },
      onResponseData: (controller, chunk) => {
        try {
          parser.push(chunk);
        } catch (error) {
          controller.abort(error instanceof Error ? error : new Error(String(error)));
        }
      },
      onResponseEnd: ended,
      onResponseError: ended,
    });
  }

  #again(wasHealthy: boolean): void {
    if (this.#closed) return;
    if (wasHealthy) this.#backoff.reset();
    this.#timer = setTimeout(() => this.#connect(), Math.max(this.#retryMs, this.#backoff.next()));
    this.#timer.unref();
  }

  #event(event: SseEvent): void {
    if (this.#closed) return;
    if (event.id !== undefined && event.id !== '') this.#lastEventId = event.id;
    if (event.retry !== undefined) this.#retryMs = event.retry;
    if (event.data === '' && event.id) return this.#options.onEventId(event.id);
    if (event.data === '' || event.event !== 'message') return;
    let message: Message;
    try {
      message = parseMessage(event.data, MAX_DEPTH);
    } catch {
      // Not JSON-RPC: nobody could be answered. The next event may be better.
      return;
    }
    if (message.kind !== 'response') this.#options.onMessage(message, event.id);
  }
}
