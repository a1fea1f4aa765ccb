import { createHash } from 'node:crypto';
import type { Dispatcher } from 'undici';
import type { HttpTarget } from '../db/server-record.ts';
import { type Id, type Message, type RequestMessage, resultText } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { LATEST_LEGACY } from '../protocol/versions.ts';
import { CollectingSink, DownstreamAnswerError, ownNotification, ownRefusal, readResponse } from './call.ts';
import { ConnectionLost } from './connection-lost.ts';
import { Deadline } from './deadline.ts';
import { type ClientIdentity, initializeRequest, readHandshake } from './handshake.ts';
import { type CallLink, HttpCall } from './http-call.ts';
import { type Dispatch, endpointOf, type HttpEndpoint, headerOf } from './http-client.ts';
import { HttpExchange } from './http-exchange.ts';
import { HttpListener } from './http-listener.ts';
import { IGNORE_ANSWER, whenAnswered } from './ignore-answer.ts';
import { patiently } from './patience.ts';
import type {
  AnswerSink,
  CancelRequest,
  Deadlines,
  DownstreamLink,
  DownstreamServer,
  OpenOptions,
  PortableLink,
  ServerHandshake,
} from './port.ts';

export interface HttpLinkOptions extends OpenOptions {
  readonly client: Dispatch;
  readonly identity: ClientIdentity;
  readonly handshakeDeadlines: Deadlines;
}

/** Event ids that are carried to clients and back: short, and such as a header takes. */
const PORTABLE_ID = /^[\x21-\x7e](?:[\x20-\x7e]{0,254}[\x21-\x7e])?$/;

const TAG_LENGTH = 8;

const NO_SESSION = '-';

const NO_HANDSHAKE: ServerHandshake = { protocolVersion: LATEST_LEGACY, capabilities: {}, serverInfo: {} };

/** One session with a Streamable HTTP server of the legacy era. */
export class HttpLink implements DownstreamLink {
  readonly server: DownstreamServer;
  handshake: ServerHandshake = NO_HANDSHAKE;
  readonly #options: HttpLinkOptions;
  readonly #endpoint: HttpEndpoint;
  readonly #ownHeaders: readonly string[];
  readonly #calls: CallLink;
  #headers: string[];
  #sessionId: string | undefined;
  /** Names the session in positions, without giving it away. */
  #sessionTag = NO_SESSION;
  #listener: HttpListener | undefined;
  #renewedToListen = false;
  #renewal: Promise<void> | undefined;
  #closed = false;

  private constructor(server: DownstreamServer, target: HttpTarget, options: HttpLinkOptions) {
    this.server = server;
    this.#options = options;
    this.#endpoint = endpointOf(target.url);
    this.#ownHeaders = Object.entries(target.headers).flat();
    this.#headers = this.#buildHeaders(undefined);
    this.#calls = this.#callLink();
  }

  static async open(
    server: DownstreamServer,
    target: HttpTarget,
    options: HttpLinkOptions,
  ): Promise<HttpLink> {
    const link = new HttpLink(server, target, options);
    if (options.resume === undefined) await link.#initialize(options.signal);
    else link.#adopt(options.resume);
    return link;
  }

  request(request: RequestMessage, sink: AnswerSink, deadlines: Deadlines): CancelRequest {
    const call = new HttpCall(this.#calls, request.id, sink, deadlines);
    call.post(request.text, request.traced);
    return (reason) => call.cancel(reason);
  }

  resume(id: Id, position: string, sink: AnswerSink, deadlines: Deadlines): CancelRequest {
    const lastEventId = this.#eventIdOf(position);
    if (lastEventId === undefined) {
      const problem = `Server "${this.server.name}" has another session than the one that the answer began in`;
      sink.fail(new ConnectionLost(Code.DownstreamUnavailable, problem));
      return () => {};
    }
    const call = new HttpCall(this.#calls, id, sink, deadlines);
    call.resume(lastEventId);
    return (reason) => call.cancel(reason);
  }

  send(message: Message): void {
    this.#post(message.text, IGNORE_ANSWER);
  }

  get portable(): PortableLink {
    const { handshake } = this;
    return this.#sessionId === undefined ? { handshake } : { sessionId: this.#sessionId, handshake };
  }

  listen(position?: string): void {
    if (this.#listener !== undefined || this.#closed) return;
    const { listener, client } = this.#options;
    this.#listener = new HttpListener({
      lastEventId: position === undefined ? undefined : this.#eventIdOf(position),
      maxMessageBytes: client.maxMessageBytes,
      connect: (after, handler) => this.#get(after, handler),
      onMessage: (message, eventId) => {
        if (this.#answerPing(message)) return;
        listener.message(message, eventId === undefined ? undefined : this.#positionOf(eventId));
      },
      onEventId: (eventId) => {
        const reached = this.#positionOf(eventId);
        if (reached !== undefined) listener.moveTo?.(reached);
      },
      onSessionLost: (hadStream) => this.#streamLost(hadStream),
    });
  }

  /** 404 to a GET may also mean that there is no stream to be had: without a session, or in one just opened because of it. */
  #streamLost(hadStream: boolean): void {
    this.#listener = undefined;
    if (this.#sessionId === undefined || (!hadStream && this.#renewedToListen)) return;
    this.#renewedToListen = true;
    this.#renew(this.#sessionId).then(
      () => this.listen(),
      () => {},
    );
  }

  unlisten(): void {
    this.#listener?.close();
    this.#listener = undefined;
  }

  async release(): Promise<void> {
    this.#closed = true;
    this.unlisten();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await this.release();
    if (this.#sessionId === undefined) return;
    await patiently((answered) => this.#delete(whenAnswered(answered)));
  }

  /** What the calls of this link use of it. */
  #callLink(): CallLink {
    const link = this;
    return {
      serverName: this.server.name,
      maxMessageBytes: this.#options.client.maxMessageBytes,
      get sessionId() {
        return link.#sessionId;
      },
      get opening() {
        return link.#listener?.opening;
      },
      post: (text, exchange, traced) => this.#post(text, exchange, traced),
      get: (lastEventId, exchange) => this.#get(lastEventId, exchange),
      renew: (lost) => this.#renew(lost),
      cancelled: (requestId, reason) =>
        this.send(ownNotification('notifications/cancelled', { requestId, reason })),
      intercept: (message) => this.#answerPing(message),
      positionOf: (eventId) => this.#positionOf(eventId),
    };
  }

  /** An event id means something in its own session only, so a position names that, too. */
  #positionOf(eventId: string): string | undefined {
    return this.#sessionTag !== '' && PORTABLE_ID.test(eventId)
      ? `${this.#sessionTag}.${eventId}`
      : undefined;
  }

  #eventIdOf(position: string): string | undefined {
    const isOfSession = position.startsWith(`${this.#sessionTag}.`);
    const eventId = position.slice(this.#sessionTag.length + 1);
    return isOfSession && PORTABLE_ID.test(eventId) ? eventId : undefined;
  }

  #delete(handler: Dispatcher.DispatchHandler): void {
    this.#options.client.dispatch(this.#endpoint, 'DELETE', this.#headers, null, handler);
  }

  #post(body: string, handler: Dispatcher.DispatchHandler, traced?: readonly string[]): void {
    const headers = traced === undefined ? this.#headers : [...this.#headers, ...traced];
    this.#options.client.dispatch(this.#endpoint, 'POST', headers, body, handler);
  }

  #get(lastEventId: string | undefined, handler: Dispatcher.DispatchHandler): void {
    const headers =
      lastEventId === undefined ? this.#headers : [...this.#headers, 'last-event-id', lastEventId];
    this.#options.client.dispatch(this.#endpoint, 'GET', headers, null, handler);
  }

  /** A ping asks whether we are there; nobody behind us needs to be asked. */
  #answerPing(message: Message): boolean {
    if (message.kind !== 'request' || message.method !== 'ping') return false;
    this.#post(resultText(message.id, '{}'), IGNORE_ANSWER);
    return true;
  }

  /** A new session in place of the lost one; whoever lost the same one waits for the same renewal. */
  #renew(lost: string | undefined): Promise<void> {
    if (this.#sessionId !== lost) return Promise.resolve();
    this.#renewal ??= this.#replace().finally(() => {
      this.#renewal = undefined;
    });
    return this.#renewal;
  }

  async #replace(): Promise<void> {
    const lost = this.portable;
    await this.#initialize(AbortSignal.timeout(this.#options.handshakeDeadlines.totalMs));
    const opened = this.portable;
    const inForce = (await this.#options.renewed?.(opened, lost)) ?? opened;
    if (inForce.sessionId !== opened.sessionId) {
      // Another node was faster: one session with the server is enough.
      this.#delete(IGNORE_ANSWER);
      this.#adopt(inForce);
    }
    this.#options.listener.restarted();
    if (this.#listener === undefined) return;
    // It is of the session that is no more.
    this.unlisten();
    this.listen();
  }

  #adopt(session: PortableLink): void {
    this.handshake = session.handshake;
    this.#enter(session.sessionId, session.handshake.protocolVersion);
  }

  async #initialize(signal: AbortSignal): Promise<void> {
    if (this.#closed)
      throw new GatewayError(Code.DownstreamUnavailable, `Server "${this.server.name}" is closed`);
    this.#enter(undefined, undefined);
    const request = initializeRequest(this.#options.identity, this.#options.clientCapabilities);
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const sink = new CollectingSink(
      this.server.name,
      readResponse,
      (outcome) => (outcome instanceof Error ? reject(outcome) : resolve(outcome.value.result)),
      (asked) => this.send(ownRefusal(asked.id, 'Not before the handshake is complete')),
    );
    const abort = (reason: GatewayError) => {
      exchange.abandon();
      reject(reason);
    };
    const deadline = new Deadline(this.#options.handshakeDeadlines, abort, this.server.name);
    const onAbort = () => abort(new GatewayError(Code.Cancelled, 'Cancelled', { cause: signal.reason }));
    const exchange: HttpExchange = new HttpExchange({
      serverName: this.server.name,
      id: request.id,
      sink,
      maxMessageBytes: this.#options.client.maxMessageBytes,
      hasSession: this.#sessionId !== undefined,
      intercept: (message) => this.#answerPing(message),
      askForRest: (lastEventId) => this.#get(lastEventId, exchange),
      positionOf: (eventId) => this.#positionOf(eventId),
      onActivity: () => {},
      onDone: () => deadline.clear(),
      onSessionLost: onAbort,
    });
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      signal.throwIfAborted();
      this.#post(request.text, exchange);
      this.handshake = readHandshake(this.server.name, await promise);
    } catch (error) {
      throw initializeError(this.server.name, error);
    } finally {
      deadline.clear();
      signal.removeEventListener('abort', onAbort);
    }
    const sessionId = headerOf(exchange.responseHeaders, 'mcp-session-id');
    this.#enter(sessionId, this.handshake.protocolVersion);
    // Requests go out on other connections: they must not come before what makes the session ready.
    await patiently((answered) =>
      this.#post(ownNotification('notifications/initialized').text, whenAnswered(answered)),
    );
  }

  #enter(sessionId: string | undefined, version: string | undefined): void {
    this.#sessionId = sessionId;
    this.#sessionTag = sessionId === undefined ? NO_SESSION : tagOf(sessionId);
    this.#headers = this.#buildHeaders(version);
  }

  /** The version header belongs to what follows the handshake, not to the handshake. */
  #buildHeaders(version: string | undefined): string[] {
    const headers = [
      ...this.#ownHeaders,
      'content-type',
      'application/json',
      'accept',
      'application/json, text/event-stream',
    ];
    if (version !== undefined) headers.push('mcp-protocol-version', version);
    if (this.#sessionId !== undefined) headers.push('mcp-session-id', this.#sessionId);
    return headers;
  }
}

function tagOf(sessionId: string): string {
  return createHash('sha256').update(sessionId).digest('base64url').slice(0, TAG_LENGTH);
}

function initializeError(serverName: string, error: unknown): Error {
  if (error instanceof DownstreamAnswerError) {
    return new GatewayError(
      Code.DownstreamProtocol,
      `Server "${serverName}" refused to initialize: ${error.message}`,
    );
  }
  return error instanceof GatewayError
    ? error
    : new GatewayError(Code.Cancelled, 'Cancelled', { cause: error });
}
