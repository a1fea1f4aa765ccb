import type { Dispatcher } from 'undici';
import type { HttpTarget } from '../db/server-record.ts';
import { type Message, parseMessage, type RequestMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { type SseEvent, SseParser } from '../protocol/sse.ts';
import type { Channel } from './channel.ts';
import { initialize } from './channel-handshake.ts';
import type { ClientIdentity } from './handshake.ts';
import { type Dispatch, endpointOf, type HttpEndpoint, headerOf } from './http-client.ts';
import { statusError, transportError } from './http-errors.ts';
import { IGNORE_ANSWER, whenAnswered } from './ignore-answer.ts';
import { Multiplexer } from './multiplexer.ts';
import { patiently } from './patience.ts';
import type {
  AnswerSink,
  CancelRequest,
  Deadlines,
  DownstreamLink,
  DownstreamServer,
  LinkListener,
  OpenOptions,
  ServerHandshake,
} from './port.ts';
import type { Share } from './stdio-pending.ts';

const MAX_DEPTH = 512;

export interface SseLinkOptions extends OpenOptions {
  readonly client: Dispatch;
  readonly identity: ClientIdentity;
  readonly handshakeDeadlines: Deadlines;
}

/**
 * One session with a server of the older HTTP+SSE transport (2024-11-05): one stream carries everything from the
 * server, and messages are posted to an address that the stream's first event names. When the stream ends the session
 * is over, and the next request opens another.
 */
export class SseLink implements DownstreamLink, Share {
  readonly server: DownstreamServer;
  readonly listener: LinkListener;
  handshake: ServerHandshake;
  readonly #target: HttpTarget;
  readonly #options: SseLinkOptions;
  readonly #multiplexer: Multiplexer;
  #stream: SseChannel | undefined;
  #opening: Promise<void> | undefined;
  #closed = false;

  private constructor(server: DownstreamServer, target: HttpTarget, options: SseLinkOptions) {
    this.server = server;
    this.listener = options.listener;
    this.handshake = { protocolVersion: '2024-11-05', capabilities: {}, serverInfo: {} };
    this.#target = target;
    this.#options = options;
    this.#multiplexer = new Multiplexer(server.name, () => {});
    this.#multiplexer.add(this);
  }

  static async open(server: DownstreamServer, target: HttpTarget, options: SseLinkOptions): Promise<SseLink> {
    const link = new SseLink(server, target, options);
    await link.#ensure(options.signal);
    return link;
  }

  request(request: RequestMessage, sink: AnswerSink, deadlines: Deadlines): CancelRequest {
    return this.#multiplexer.request(this, request, sink, deadlines, async () => {
      await this.#ensure(AbortSignal.timeout(this.#options.handshakeDeadlines.totalMs));
      this.listener.restarted();
    });
  }

  send(message: Message): void {
    this.#multiplexer.send(this, message);
  }

  /** Everything comes on the one stream. */
  listen(): void {}

  unlisten(): void {}

  readonly portable = undefined;

  release(): Promise<void> {
    return this.close();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#multiplexer.remove(this);
    this.#stream?.close();
  }

  #ensure(signal: AbortSignal): Promise<void> {
    this.#opening ??= this.#open(signal).finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(signal: AbortSignal): Promise<void> {
    if (this.#closed)
      throw new GatewayError(Code.DownstreamUnavailable, `Server "${this.server.name}" is closed`);
    const { client, identity, clientCapabilities, handshakeDeadlines } = this.#options;
    const stream: SseChannel = new SseChannel(this.server.name, this.#target, client, {
      message: (message) => this.#multiplexer.receive(stream, message),
      closed: (error) => {
        if (this.#stream === stream) this.#stream = undefined;
        this.#multiplexer.closed(error);
      },
    });
    const timer = setTimeout(() => stream.close(), handshakeDeadlines.totalMs);
    const abort = () => stream.close();
    signal.addEventListener('abort', abort, { once: true });
    try {
      await stream.ready;
      this.handshake = await initialize(
        this.#multiplexer.open(stream),
        identity,
        clientCapabilities,
        handshakeDeadlines,
        signal,
      );
      this.#stream = stream;
    } catch (error) {
      stream.close();
      throw error;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    }
  }
}

interface SseChannelEvents {
  message(message: Message): void;
  closed(error: GatewayError): void;
}

/** The stream of one such session, and the address to post to. */
class SseChannel implements Channel {
  /** Resolves when the server has named the address; rejects when it does not. */
  readonly ready: Promise<void>;
  readonly #serverName: string;
  readonly #client: Dispatch;
  readonly #headers: readonly string[];
  readonly #streamUrl: string;
  readonly #events: SseChannelEvents;
  readonly #announced = Promise.withResolvers<void>();
  #controller: Dispatcher.DispatchController | undefined;
  #endpoint: HttpEndpoint | undefined;
  #over = false;

  constructor(serverName: string, target: HttpTarget, client: Dispatch, events: SseChannelEvents) {
    this.#serverName = serverName;
    this.#client = client;
    this.#headers = Object.entries(target.headers).flat();
    this.#streamUrl = target.url;
    this.#events = events;
    this.ready = this.#announced.promise;
    this.ready.catch(() => {});
    client.dispatch(
      endpointOf(target.url),
      'GET',
      [...this.#headers, 'accept', 'text/event-stream'],
      null,
      this.#handler(),
    );
  }

  write(text: string): void {
    this.#post(text, IGNORE_ANSWER);
  }

  /** Each message is a request of its own, on any connection. */
  writeFirst(text: string): Promise<void> {
    return patiently((answered) => this.#post(text, whenAnswered(answered)));
  }

  pause(): void {
    this.#controller?.pause();
  }

  resume(): void {
    this.#controller?.resume();
  }

  close(): void {
    this.#end(
      new GatewayError(Code.DownstreamUnavailable, `The stream of server "${this.#serverName}" was closed`),
    );
    this.#controller?.abort(new Error('closed'));
  }

  #post(text: string, handler: Dispatcher.DispatchHandler): void {
    if (this.#endpoint === undefined || this.#over) return;
    const headers = [...this.#headers, 'content-type', 'application/json'];
    this.#client.dispatch(this.#endpoint, 'POST', headers, text, handler);
  }

  #handler(): Dispatcher.DispatchHandler {
    const parser = new SseParser((event) => this.#event(event), this.#client.maxMessageBytes);
    return {
      onRequestStart: (controller) => {
        this.#controller = controller;
        if (this.#over) controller.abort(new Error('closed'));
      },
      onResponseStart: (controller, status, headers) => {
        if (status < 200) return;
        if (status === 200 && (headerOf(headers, 'content-type') ?? '').startsWith('text/event-stream'))
          return;
        this.#end(statusError(this.#serverName, status, ''));
        controller.abort(new Error(`HTTP ${status}`));
      },
      onResponseData: (controller, chunk) => {
        try {
          parser.push(chunk);
        } catch (error) {
          this.#end(transportError(this.#serverName, error));
          controller.abort(error instanceof Error ? error : new Error(String(error)));
        }
      },
      onResponseEnd: () => this.#end(transportError(this.#serverName, undefined)),
      onResponseError: (_controller, error) => this.#end(transportError(this.#serverName, error)),
    };
  }

  #event(event: SseEvent): void {
    if (event.event === 'endpoint') return this.#announce(event.data);
    if (event.event !== 'message' || event.data === '') return;
    let message: Message;
    try {
      message = parseMessage(event.data, MAX_DEPTH);
    } catch {
      // Not JSON-RPC: nobody could be answered. The next event may be better.
      return;
    }
    this.#events.message(message);
  }

  /** The address must be of the stream's own origin, or a server could have our headers sent elsewhere. */
  #announce(address: string): void {
    const url = URL.parse(address, this.#streamUrl);
    if (url === null || url.origin !== new URL(this.#streamUrl).origin) {
      this.#end(
        new GatewayError(
          Code.DownstreamProtocol,
          `Server "${this.#serverName}" named an endpoint of another origin`,
        ),
      );
      this.#controller?.abort(new Error('bad endpoint'));
      return;
    }
    this.#endpoint = endpointOf(url.href);
    this.#announced.resolve();
  }

  #end(error: GatewayError): void {
    if (this.#over) return;
    this.#over = true;
    this.#announced.reject(error);
    this.#events.closed(error);
  }
}
