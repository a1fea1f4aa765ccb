import { once } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Message } from './rpc.ts';
import { formatSse } from './sse.ts';

const VERSION = '2026-07-28';
const KEY = 'io.modelcontextprotocol/';

/** One request as it came. */
export interface SeenModern {
  readonly headers: IncomingHttpHeaders;
  readonly message: Message;
  readonly body: string;
  /** Whoever asked went away before the answer. */
  isAbandoned: boolean;
}

/** How a request is answered. */
class Reply {
  readonly response: ServerResponse;
  readonly #id: unknown;

  constructor(response: ServerResponse, id: unknown) {
    this.response = response;
    this.#id = id;
  }

  result(value: Record<string, unknown>): void {
    this.text(JSON.stringify({ jsonrpc: '2.0', id: this.#id, result: { resultType: 'complete', ...value } }));
  }

  error(code: number, message: string, data?: unknown, status = 200): void {
    this.text(JSON.stringify({ jsonrpc: '2.0', id: this.#id, error: { code, message, data } }), status);
  }

  text(body: string, status = 200): void {
    if (this.response.headersSent) this.response.end(formatSse({ data: body }));
    else this.response.writeHead(status, { 'content-type': 'application/json' }).end(body);
  }

  /** Makes the answer a stream, and sends a notification on it. */
  notify(method: string, params: Record<string, unknown> = {}): void {
    if (!this.response.headersSent) this.response.writeHead(200, { 'content-type': 'text/event-stream' });
    this.response.write(formatSse({ data: JSON.stringify({ jsonrpc: '2.0', method, params }) }));
  }
}

export interface ModernServerOptions {
  readonly capabilities?: Record<string, unknown>;
  readonly lists?: Readonly<Record<string, readonly Record<string, unknown>[]>>;
  /** Answers a request that is not answered by the server itself: discovery, lists and subscriptions. */
  readonly respond?: (seen: SeenModern, reply: Reply) => void;
}

const LISTS: Readonly<Record<string, string>> = {
  'tools/list': 'tools',
  'prompts/list': 'prompts',
  'resources/list': 'resources',
  'resources/templates/list': 'resourceTemplates',
};

/** A server of 2026-07-28, and of nothing else, that does what a test says and keeps what it saw. */
export class ModernServer {
  readonly url: string;
  /** Every request but lists, discovery and subscriptions, in order of arrival. */
  readonly seen: SeenModern[] = [];
  readonly listening = new Map<ServerResponse, Message>();
  lists: Record<string, readonly Record<string, unknown>[]>;
  respond: NonNullable<ModernServerOptions['respond']>;
  readonly #http: ReturnType<typeof createServer>;
  readonly #capabilities: Record<string, unknown>;

  private constructor(http: ReturnType<typeof createServer>, options: ModernServerOptions) {
    this.#http = http;
    this.url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`;
    this.lists = { ...options.lists };
    this.respond = options.respond ?? ((_seen, reply) => reply.result({}));
    this.#capabilities = options.capabilities ?? {
      tools: { listChanged: true },
      prompts: {},
      resources: { subscribe: true },
      completions: {},
    };
    http.on('request', (request, response) => void this.#handle(request, response));
  }

  static async start(options: ModernServerOptions = {}): Promise<ModernServer> {
    const http = createServer();
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    return new ModernServer(http, options);
  }

  /** Says something on every subscription that is open. */
  tell(method: string, params: Record<string, unknown> = {}): void {
    for (const [response, { id }] of this.listening) {
      const stamped = { ...params, _meta: { [`${KEY}subscriptionId`]: id } };
      response.write(formatSse({ data: JSON.stringify({ jsonrpc: '2.0', method, params: stamped }) }));
    }
  }

  /** The filters of the subscriptions that are open. */
  get filters(): unknown[] {
    return [...this.listening.values()].map(({ params }) => params?.['notifications']);
  }

  /** Requests for this method. */
  asked(method: string): SeenModern[] {
    return this.seen.filter(({ message }) => message.method === method);
  }

  async close(): Promise<void> {
    const closed = once(this.#http, 'close');
    this.#http.close();
    this.#http.closeAllConnections();
    await closed;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    request.setEncoding('utf8');
    for await (const chunk of request) body += chunk;
    if (request.method !== 'POST') return void response.writeHead(405).end();
    const message: Message = JSON.parse(body);
    const reply = new Reply(response, message.id);
    const meta = message.params?.['_meta'] as Record<string, unknown> | undefined;
    if (meta?.[`${KEY}protocolVersion`] !== VERSION || request.headers['mcp-method'] !== message.method)
      return reply.error(-32020, 'Header mismatch: not of this version', undefined, 400);
    const list = LISTS[message.method ?? ''];
    if (message.method === 'server/discover') {
      const supportedVersions = [VERSION];
      return reply.result({
        supportedVersions,
        capabilities: this.#capabilities,
        ttlMs: 0,
        cacheScope: 'public',
      });
    }
    if (list !== undefined)
      return reply.result({ [list]: this.lists[list] ?? [], ttlMs: 0, cacheScope: 'public' });
    if (message.method === 'subscriptions/listen') {
      this.listening.set(response, message);
      response.on('close', () => this.listening.delete(response));
      const notifications = message.params?.['notifications'];
      const _meta = { [`${KEY}subscriptionId`]: message.id };
      return reply.notify('notifications/subscriptions/acknowledged', { _meta, notifications });
    }
    const seen: SeenModern = { headers: request.headers, message, body, isAbandoned: false };
    this.seen.push(seen);
    response.on('close', () => {
      seen.isAbandoned = !response.writableFinished;
    });
    this.respond(seen, reply);
  }
}
