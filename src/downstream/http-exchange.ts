import { isAscii } from 'node:buffer';
import type { Dispatcher } from 'undici';
import { answerProblem, asAnswer, beginsAnswer, isPlainResult, preview } from '../protocol/answer.ts';
import { errorText, type Id, isObject, type Message, own, parseMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { type LargeData, type SseEvent, SseParser, SseTooLarge } from '../protocol/sse.ts';
import { ConnectionLost } from './connection-lost.ts';
import { headerOf } from './http-client.ts';
import { protocolError, statusError, transportError } from './http-errors.ts';
import type { AnswerSink } from './port.ts';
import { Resumption } from './resumption.ts';

/** An answer up to this size is held until it is complete and checked whole; a larger one is passed on as it comes. */
const HOLD_BYTES = 64 * 1024;

/** Enough of a large answer to see whether it is one. */
const HEAD_BYTES = 4096;

/** As much of an error page as is worth reading. */
const ERROR_BODY_BYTES = 8 * 1024;

const MAX_DEPTH = 512;

/** A server that leaves a stream open after the answer has had its time; the connection is worth more than its manners. */
const LINGER_MS = 1000;

/** The stream has a connection still, as far as the server knows; it is starting, or too busy. */
const COME_AGAIN: ReadonlySet<number> = new Set([409, 429, 500, 502, 503, 504]);

/** The request that an exchange is for, and the link that it is made on. */
export interface ExchangeOwner {
  readonly serverName: string;
  /** Of the request. */
  readonly id: Id;
  readonly sink: AnswerSink;
  /** The answer has begun elsewhere, up to this event: what comes is asked for by it. */
  readonly lastEventId?: string | undefined;
  readonly maxMessageBytes: number;
  /** The server does not know our session any more; nothing of the request has had an effect. */
  onSessionLost(): void;
  /** False: ids of events mean nothing (2026-07-28, transports: streams are not resumable). */
  readonly isResumable?: boolean;
  /** The stream broke before the answer, after an event with this id: ask for the rest. */
  askForRest(lastEventId: string): void;
  /** An event id as any node can go on from; undefined for one that none can. */
  positionOf(eventId: string): string | undefined;
  /** Bytes arrived. */
  onActivity(): void;
  /** A request of the server's that it asked on this stream and that is not for the client. True: taken care of. */
  intercept(message: Message): boolean;
  onDone(): void;
  /** The request was sent in a session. */
  readonly hasSession: boolean;
}

type Phase = 'head' | 'held' | 'passing' | 'stream' | 'refused' | 'not-yet' | 'done';

/** One POST and what comes back: an undici handler that turns bytes into calls of an {@link AnswerSink}. */
export class HttpExchange implements Dispatcher.DispatchHandler {
  readonly #owner: ExchangeOwner;
  #phase: Phase = 'head';
  #controller: Dispatcher.DispatchController | undefined;
  #status = 0;
  #length: number | undefined;
  #chunks: Buffer[] = [];
  /** All of an answer that came in one piece and is ASCII. */
  #text: string | undefined;
  #held = 0;
  #parser: SseParser | undefined;
  #isPassing = false;
  #isPaused = false;
  /** Does not begin like the answer: held to its end, and checked whole. */
  #isHeldWhole = false;
  readonly #resumption: Resumption;
  #timer: NodeJS.Timeout | undefined;
  /** Response headers, for the session id of an initialize. */
  responseHeaders: Readonly<Record<string, string | string[] | undefined>> = {};

  constructor(owner: ExchangeOwner) {
    this.#owner = owner;
    this.#resumption = new Resumption(owner.lastEventId);
  }

  /** Whether the client is to read before the server can go on. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Stops reading and tells nobody: the caller has said what there was to say. */
  abandon(): void {
    if (this.#phase === 'done') return;
    this.#finish();
    this.#controller?.abort(new GatewayError(Code.Cancelled, 'Abandoned'));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#phase === 'done') controller.abort(new GatewayError(Code.Cancelled, 'Abandoned'));
    this.#controller = controller;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    if (status < 200 || this.#phase === 'done') return;
    this.#owner.onActivity();
    this.#status = status;
    const type = headerOf(headers, 'content-type') ?? '';
    if (this.#resumption.lastEventId !== undefined) return this.#resumed(status, type);
    this.responseHeaders = headers;
    if (status === 404 && this.#owner.hasSession) return this.#sessionLost();
    if (status >= 300) {
      this.#phase = 'refused';
    } else if (type.startsWith('text/event-stream')) {
      this.#startStream();
      this.#owner.sink.openStream();
    } else if (type.startsWith('application/json')) {
      this.#phase = 'held';
      const length = Number(headerOf(headers, 'content-length'));
      if (Number.isSafeInteger(length)) this.#length = length;
      if (length > this.#owner.maxMessageBytes) this.#failTooLarge();
    } else {
      const what = type === '' ? `HTTP ${status} without a body` : `${preview(type)} in place of JSON`;
      this.#fail(protocolError(this.#owner.serverName, what));
    }
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#owner.onActivity();
    switch (this.#phase) {
      case 'held':
        return this.#hold(chunk);
      case 'passing':
        this.#held += chunk.length;
        if (this.#held > this.#owner.maxMessageBytes) return this.#failTooLarge();
        if (!this.#owner.sink.data(Buffer.from(chunk))) this.#pause();
        return;
      case 'stream':
        return this.#streamData(chunk);
      case 'refused':
        if (this.#held < ERROR_BODY_BYTES) this.#chunks.push(Buffer.from(chunk));
        this.#held += chunk.length;
        return;
      case 'head':
      case 'not-yet':
      case 'done':
        return;
    }
  }

  onResponseEnd(): void {
    switch (this.#phase) {
      case 'held':
        return this.#answer(this.#text ?? asAnswer(this.#body()));
      case 'passing':
        this.#finish();
        return this.#owner.sink.end();
      case 'refused':
        return this.#refused(this.#body().toString('utf8', 0, ERROR_BODY_BYTES));
      case 'stream':
      case 'head':
      case 'not-yet': {
        const { code, message } = protocolError(
          this.#owner.serverName,
          'a stream that ended before the answer',
        );
        return this.#broken(new ConnectionLost(code, message));
      }
      case 'done':
        clearTimeout(this.#timer);
        return;
    }
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    clearTimeout(this.#timer);
    if (this.#phase !== 'done') this.#broken(transportError(this.#owner.serverName, error));
  }

  /** With an event id in hand the rest can be asked for (2025-11-25, transports: Resumability). */
  #broken(error: GatewayError): void {
    const isStream = this.#phase === 'stream' || this.#phase === 'head' || this.#phase === 'not-yet';
    const { lastEventId } = this.#resumption;
    // What has been passed on can't be taken back: a half answer is not resumed.
    if (!isStream || lastEventId === undefined || this.#isPassing) return this.#fail(error);
    const delayMs = this.#resumption.next(this.#phase !== 'stream');
    if (delayMs === undefined) return this.#notResumed(error);
    this.#phase = 'head';
    this.#timer = setTimeout(() => this.#owner.askForRest(lastEventId), delayMs);
    this.#timer.unref();
  }

  #resumed(status: number, type: string): void {
    if (status === 200 && type.startsWith('text/event-stream')) {
      this.#resumption.granted();
      return this.#startStream();
    }
    if (COME_AGAIN.has(status)) this.#phase = 'not-yet';
    else this.#notResumed(undefined);
  }

  #notResumed(cause: GatewayError | undefined): void {
    const problem = `Server "${this.#owner.serverName}" broke its stream and did not resume it`;
    this.#fail(new ConnectionLost(Code.DownstreamUnavailable, problem, { cause }));
  }

  #startStream(): void {
    this.#phase = 'stream';
    const takeLarge = (head: string) => this.#takeLarge(head);
    this.#parser = new SseParser((event) => this.#event(event), this.#owner.maxMessageBytes, takeLarge);
    this.#owner.sink.drained = () => this.#resume();
  }

  #pause(): void {
    this.#isPaused = true;
    this.#controller?.pause();
  }

  #resume(): void {
    // The server's time begins again.
    if (this.#isPaused) this.#owner.onActivity();
    this.#isPaused = false;
    this.#controller?.resume();
  }

  #hold(chunk: Buffer): void {
    // Text of one byte a character costs less than a buffer of its own, and leaves in one write with the head.
    if (chunk.length === this.#length && chunk.length <= HOLD_BYTES && isAscii(chunk)) {
      this.#text = chunk.toString('latin1');
      return;
    }
    this.#chunks.push(Buffer.from(chunk));
    this.#held += chunk.length;
    if (this.#held > this.#owner.maxMessageBytes) return this.#failTooLarge();
    const isLarge = this.#length !== undefined && this.#length > HOLD_BYTES;
    if (this.#isHeldWhole || this.#held <= (isLarge ? HEAD_BYTES : HOLD_BYTES)) return;
    const first = this.#body();
    const head = first.toString('utf8', 0, HEAD_BYTES);
    if (!/^\s*\{/.test(head)) {
      const problem = `something that is not JSON-RPC, beginning with ${preview(head)}`;
      return this.#fail(protocolError(this.#owner.serverName, problem));
    }
    if (!beginsAnswer(head, this.#owner.id)) {
      this.#isHeldWhole = true;
      return;
    }
    this.#phase = 'passing';
    this.#chunks = [];
    this.#owner.sink.drained = () => this.#resume();
    this.#owner.sink.begin(this.#length);
    if (!this.#owner.sink.data(first)) this.#pause();
  }

  get #position(): string | undefined {
    const { lastEventId } = this.#resumption;
    return lastEventId === undefined ? undefined : this.#owner.positionOf(lastEventId);
  }

  #streamData(chunk: Buffer): void {
    try {
      this.#parser?.push(chunk);
    } catch (error) {
      if (!(error instanceof SseTooLarge)) throw error;
      this.#fail(protocolError(this.#owner.serverName, error.message));
    }
  }

  #event(event: SseEvent): void {
    if (this.#phase !== 'stream') return;
    const hasMoved = this.#owner.isResumable !== false && this.#resumption.note(event);
    if (event.data === '' || event.event !== 'message') {
      const position = hasMoved ? this.#position : undefined;
      if (position !== undefined) this.#owner.sink.moveTo?.(position);
      return;
    }
    // A response has no method. Looking for the word is cheaper than parsing every result, and a look at the beginning cheaper still.
    if (isPlainResult(event.data, this.#owner.id)) return this.#answer(event.data);
    if (!event.data.includes('"method"')) return this.#answer(event.data);
    let message: Message;
    try {
      message = parseMessage(event.data, MAX_DEPTH);
    } catch {
      return this.#fail(
        protocolError(
          this.#owner.serverName,
          `an event that is not JSON-RPC, beginning with ${preview(event.data)}`,
        ),
      );
    }
    if (message.kind === 'response') return this.#answer(event.data);
    if (this.#owner.intercept(message)) return;
    if (!this.#owner.sink.message(event.data, message, this.#position)) this.#pause();
  }

  /** A large answer on a stream is passed on as it comes, like a large JSON answer. */
  #takeLarge(head: string): LargeData | undefined {
    const { sink, id } = this.#owner;
    if (this.#phase !== 'stream' || !beginsAnswer(head, id)) return undefined;
    sink.begin(undefined);
    this.#isPassing = true;
    return {
      part: (bytes) => {
        if (!sink.data(Buffer.from(bytes))) this.#pause();
      },
      end: () => {
        this.#finish();
        sink.end();
      },
    };
  }

  #answer(body: string | Buffer): void {
    const problem = answerProblem(body, this.#owner.id);
    if (problem !== undefined) return this.#fail(protocolError(this.#owner.serverName, problem));
    this.#finish();
    this.#owner.sink.answer(body);
  }

  /** A status of 300 and above. A JSON-RPC error in it is the server's answer; it may not know which request it answers. */
  #refused(body: string): void {
    const error = jsonRpcError(body);
    if (error === undefined) return this.#fail(statusError(this.#owner.serverName, this.#status, body));
    if (this.#status === 400 && this.#owner.hasSession && /session/i.test(error.message))
      return this.#sessionLost();
    this.#finish();
    this.#owner.sink.answer(errorText(this.#owner.id, error.code, error.message, error.data));
  }

  /** Not the end of the request: its owner starts it again in a new session. */
  #sessionLost(): void {
    this.#phase = 'done';
    this.#controller?.abort(new GatewayError(Code.Cancelled, 'Abandoned'));
    this.#owner.onSessionLost();
  }

  #failTooLarge(): void {
    const problem = `a message of more than ${this.#owner.maxMessageBytes} bytes`;
    this.#fail(protocolError(this.#owner.serverName, problem));
  }

  #fail(error: GatewayError): void {
    if (this.#phase === 'done') return;
    this.abandon();
    this.#owner.sink.fail(error);
  }

  #finish(): void {
    clearTimeout(this.#timer);
    if (this.#phase === 'stream') {
      this.#timer = setTimeout(
        () => this.#controller?.abort(new GatewayError(Code.Cancelled, 'Answered')),
        LINGER_MS,
      );
      this.#timer.unref();
    }
    this.#phase = 'done';
    this.#chunks = [];
    this.#text = undefined;
    this.#owner.sink.drained = undefined;
    this.#resume();
    this.#owner.onDone();
  }

  #body(): Buffer {
    const [only] = this.#chunks;
    return this.#chunks.length === 1 && only !== undefined ? only : Buffer.concat(this.#chunks);
  }
}

function jsonRpcError(body: string): { code: number; message: string; data: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(body);
    const error = isObject(value) ? own(value, 'error') : undefined;
    if (!isObject(error)) return undefined;
    const code = own(error, 'code');
    const message = own(error, 'message');
    if (typeof code !== 'number' || typeof message !== 'string') return undefined;
    return { code, message, data: own(error, 'data') };
  } catch {
    return undefined;
  }
}
