import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PeerOptions } from './peer.ts';
import { Peer } from './peer.ts';
import { PeerConnection } from './peer-connection.ts';
import type { Message } from './rpc.ts';
import { failure, isRequest, isResponse, notification } from './rpc.ts';
import { formatSse } from './sse.ts';

/** One HTTP request as it came. */
export interface SeenRequest {
  readonly httpMethod: string;
  readonly headers: IncomingHttpHeaders;
  readonly sessionId: string | undefined;
  readonly message: Message | undefined;
  /** The body as it came. */
  readonly body: string;
}

/** Answers a request in place of the server, and says so by returning true. */
type Intercept = (seen: SeenRequest, response: ServerResponse) => boolean;

export interface CountingOptions extends PeerOptions {
  readonly port?: number;
  /** How a request is answered when nothing comes before its result; what has to stream is SSE in any case. */
  readonly answers?: 'json' | 'sse';
  /** False: no session ids, as servers do that keep nothing. Default true. */
  readonly sessions?: boolean;
  /** False: GET is 405, as servers answer that have no stream. Default true. */
  readonly getStream?: boolean;
  /** A header without which every request is 401. */
  readonly requiredHeader?: { readonly name: string; readonly value: string };
  readonly intercept?: Intercept;
}

interface Session {
  readonly connection: PeerConnection;
  readonly streams: Set<ServerResponse>;
}

/**
 * A well-behaved legacy MCP server over Streamable HTTP that keeps count of everything. Lists are changed by
 * assigning to `peer.tools` and the like, and calling `notify` with the list's `list_changed`.
 */
export class CountingServer {
  readonly url: string;
  readonly peer: Peer;
  answers: 'json' | 'sse';
  /** Every HTTP request, in order of arrival. */
  readonly seen: SeenRequest[] = [];
  sessionsOpened = 0;
  /** Sessions that a client ended with DELETE. */
  sessionsClosed = 0;
  streamsOpened = 0;
  /** POSTs whose answer the client did not wait for. */
  abandoned = 0;
  readonly #options: CountingOptions;
  readonly #http: ReturnType<typeof createServer>;
  readonly #sessions = new Map<string, Session>();

  private constructor(http: ReturnType<typeof createServer>, options: CountingOptions) {
    this.#http = http;
    this.#options = options;
    this.peer = new Peer({ name: 'counting', ...options });
    this.answers = options.answers ?? 'json';
    this.url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`;
    http.on('request', (request, response) => void this.#handle(request, response));
  }

  static async start(options: CountingOptions = {}): Promise<CountingServer> {
    const http = createServer({ keepAliveTimeout: 60_000 });
    http.listen(options.port ?? 0, '127.0.0.1');
    await once(http, 'listening');
    return new CountingServer(http, options);
  }

  /** Sessions open now. */
  get openSessions(): readonly string[] {
    return [...this.#sessions.keys()];
  }

  /** GET streams open now. */
  get openStreams(): number {
    return [...this.#sessions.values()].reduce((sum, { streams }) => sum + streams.size, 0);
  }

  /** Times a JSON-RPC method came. */
  count(method: string): number {
    return this.peer.methods[method] ?? 0;
  }

  /** The last request with this JSON-RPC method. */
  last(method: string): SeenRequest | undefined {
    return this.seen.findLast(({ message }) => message?.method === method);
  }

  /** Sends a notification on one GET stream of every session. */
  notify(method: string, params?: Record<string, unknown>): void {
    for (const { streams } of this.#sessions.values()) {
      const [stream] = streams;
      stream?.write(event(notification(method, params)));
    }
  }

  /** Replaces the tools and tells the clients. */
  setTools(tools: Peer['tools']): void {
    this.peer.tools = tools;
    this.notify('notifications/tools/list_changed');
  }

  /** Forgets every session, as a restart does: their ids are answered 404 from now on. */
  expireSessions(): void {
    for (const session of this.#sessions.values()) endSession(session);
    this.#sessions.clear();
  }

  /** Breaks every open connection and keeps the sessions. */
  dropConnections(): void {
    this.#http.closeAllConnections();
  }

  async close(): Promise<void> {
    this.expireSessions();
    const closed = once(this.#http, 'close');
    this.#http.close();
    this.#http.closeAllConnections();
    await closed;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('close', () => {
      if (request.method === 'POST' && !response.writableFinished) this.abandoned++;
    });
    const body = await readBody(request);
    if (body === undefined) return;
    const message = parse(body);
    const sessionId = request.headers['mcp-session-id'] as string | undefined;
    const seen = { httpMethod: request.method ?? '', headers: request.headers, sessionId, message, body };
    this.seen.push(seen);
    if (this.#options.intercept?.(seen, response)) return;
    const required = this.#options.requiredHeader;
    if (required !== undefined && request.headers[required.name.toLowerCase()] !== required.value) {
      refuse(response, 401, -32000, 'Unauthorized');
    } else if (request.method === 'POST') await this.#post(seen, response);
    else if (request.method === 'GET' && this.#options.getStream !== false) this.#get(seen, response);
    else if (request.method === 'DELETE') this.#delete(seen, response);
    else refuse(response, 405, -32000, 'Method not allowed');
  }

  async #post({ message, sessionId }: SeenRequest, response: ServerResponse): Promise<void> {
    if (message === undefined) return refuse(response, 400, -32700, 'Parse error');
    let session = this.#session(sessionId);
    if (message.method === 'initialize') {
      session = { connection: new PeerConnection(this.peer), streams: new Set() };
      this.sessionsOpened++;
      if (this.#options.sessions !== false) {
        const id = randomUUID();
        this.#sessions.set(id, session);
        response.setHeader('mcp-session-id', id);
      }
    }
    if (session === undefined) return refuseSession(response, sessionId);
    if (!isRequest(message)) {
      response.writeHead(202).end();
      return session.connection.handle(message, () => {});
    }
    await session.connection.handle(message, this.#answer(response));
    if (!response.writableEnded) response.end();
  }

  #get({ sessionId }: SeenRequest, response: ServerResponse): void {
    const session = this.#session(sessionId);
    if (session === undefined) {
      refuseSession(response, sessionId);
      return;
    }
    this.streamsOpened++;
    session.streams.add(response);
    response.on('close', () => session.streams.delete(response));
    response
      .writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' })
      .flushHeaders();
  }

  #delete({ sessionId }: SeenRequest, response: ServerResponse): void {
    const session = this.#session(sessionId);
    if (session === undefined || sessionId === undefined) {
      refuseSession(response, sessionId);
      return;
    }
    this.#sessions.delete(sessionId);
    this.sessionsClosed++;
    endSession(session);
    response.writeHead(200).end();
  }

  /** Without session ids every request meets a connection that knows nothing. */
  #session(id: string | undefined): Session | undefined {
    if (this.#options.sessions === false) {
      return { connection: new PeerConnection(this.peer), streams: new Set() };
    }
    return id === undefined ? undefined : this.#sessions.get(id);
  }

  /** JSON when the first message is the answer and JSON is wanted, else an SSE stream that ends with the answer. */
  #answer(response: ServerResponse): (message: Message) => void {
    return (message) => {
      if (isResponse(message) && !response.headersSent && this.answers === 'json') {
        const body = JSON.stringify(message);
        response.writeHead(200, {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        });
        response.end(body);
        return;
      }
      if (!response.headersSent) {
        response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
      }
      response.write(event(message));
      if (isResponse(message)) response.end();
    };
  }
}

/** Without an id: these streams cannot be resumed, and say so. */
const event = (message: Message): string => formatSse({ event: 'message', data: JSON.stringify(message) });

function endSession({ connection, streams }: Session): void {
  connection.close();
  for (const stream of streams) stream.end();
}

function refuse(response: ServerResponse, status: number, code: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(failure(null, code, message)));
}

function refuseSession(response: ServerResponse, id: string | undefined): void {
  if (id === undefined) refuse(response, 400, -32000, 'Session id required');
  else refuse(response, 404, -32001, 'Session not found');
}

/** The whole body; undefined when the client went away before its end. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  let body = '';
  try {
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
  } catch {
    return undefined;
  }
  return body;
}

function parse(body: string): Message | undefined {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
