import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PeerOptions } from './peer.ts';
import { Peer } from './peer.ts';
import { PeerConnection } from './peer-connection.ts';
import type { Message } from './rpc.ts';
import { isRequest, isResponse } from './rpc.ts';
import { formatSse } from './sse.ts';

/** The answer to one request: what was said, and the connection that hears it now. */
interface Stream {
  readonly events: string[];
  response: ServerResponse | undefined;
}

interface Session {
  readonly connection: PeerConnection;
  readonly streams: Map<string, Stream>;
}

export interface ResumableOptions extends PeerOptions {
  /** Streams begin with an event that has an id and no data, and end there: the client is to ask for the rest. */
  readonly polls?: boolean;
}

/** A legacy MCP server over Streamable HTTP whose every answer is a stream that can be resumed after any of its events. */
export class ResumableServer {
  readonly url: string;
  readonly peer: Peer;
  /** `Last-Event-ID`s that answers were asked for by, and how each was answered. */
  readonly resumed: { readonly lastEventId: string; readonly status: number }[] = [];
  /** True: asks for the rest of an answer are refused. */
  forgets = false;
  readonly #http: ReturnType<typeof createServer>;
  readonly #options: ResumableOptions;
  readonly #sessions = new Map<string, Session>();

  private constructor(http: ReturnType<typeof createServer>, options: ResumableOptions) {
    this.#http = http;
    this.#options = options;
    this.peer = new Peer({ name: 'resumable', ...options });
    this.url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`;
    http.on('request', (request, response) => void this.#handle(request, response));
  }

  static async start(options: ResumableOptions = {}): Promise<ResumableServer> {
    const http = createServer({ keepAliveTimeout: 60_000 });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    return new ResumableServer(http, options);
  }

  /** Breaks every connection that an answer goes out on now. */
  cut(): void {
    for (const { streams } of this.#sessions.values()) {
      for (const { response } of streams.values()) response?.destroy();
    }
  }

  async close(): Promise<void> {
    for (const { connection } of this.#sessions.values()) connection.close();
    const closed = once(this.#http, 'close');
    this.#http.close();
    this.#http.closeAllConnections();
    await closed;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request);
    if (body === undefined) return;
    const { headers, method } = request;
    const session = this.#sessions.get(String(headers['mcp-session-id']));
    if (method === 'POST') return this.#post(JSON.parse(body), session, response);
    if (method === 'DELETE') {
      session?.connection.close();
      this.#sessions.delete(String(headers['mcp-session-id']));
    }
    const lastEventId = headers['last-event-id'];
    if (method !== 'GET' || session === undefined || typeof lastEventId !== 'string') {
      response.writeHead(method === 'DELETE' ? 200 : 405).end();
      return;
    }
    this.#resume(session, lastEventId, response);
    this.resumed.push({ lastEventId, status: response.statusCode });
  }

  async #post(message: Message, session: Session | undefined, response: ServerResponse): Promise<void> {
    if (message.method === 'initialize') return this.#initialize(message, response);
    if (session === undefined) return void response.writeHead(404).end();
    if (!isRequest(message)) {
      response.writeHead(202).end();
      return session.connection.handle(message, () => {});
    }
    const stream: Stream = { events: [], response };
    const name = randomUUID();
    session.streams.set(name, stream);
    attach(stream, response);
    if (this.#options.polls) {
      response.end(formatSse({ id: `${name}_0`, data: '', retry: 50 }));
      stream.response = undefined;
    }
    await session.connection.handle(message, (said) => {
      const id = `${name}_${stream.events.push(JSON.stringify(said))}`;
      stream.response?.write(formatSse({ id, event: 'message', data: JSON.stringify(said) }));
      if (isResponse(said)) stream.response?.end();
    });
  }

  async #initialize(message: Message, response: ServerResponse): Promise<void> {
    const session = { connection: new PeerConnection(this.peer), streams: new Map() };
    const id = randomUUID();
    this.#sessions.set(id, session);
    await session.connection.handle(message, (answer) => {
      response.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': id });
      response.end(JSON.stringify(answer));
    });
  }

  #resume(session: Session, lastEventId: string, response: ServerResponse): void {
    const [name = '', last = ''] = lastEventId.split('_');
    const stream = session.streams.get(name);
    if (stream === undefined || this.forgets) return void response.writeHead(400).end('unknown event');
    if (stream.response !== undefined) return void response.writeHead(409).end('connected already');
    attach(stream, response);
    for (const [index, data] of stream.events.entries()) {
      if (index >= Number(last))
        response.write(formatSse({ id: `${name}_${index + 1}`, event: 'message', data }));
    }
    if (stream.events.some((data) => isResponse(JSON.parse(data)))) response.end();
  }
}

function attach(stream: Stream, response: ServerResponse): void {
  stream.response = response;
  response.on('close', () => {
    if (stream.response === response) stream.response = undefined;
  });
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  response.flushHeaders();
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  let body = '';
  try {
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
  } catch {
    return undefined;
  }
  return body;
}
