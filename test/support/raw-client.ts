import { once } from 'node:events';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Agent, request as httpRequest } from 'node:http';
import type { Id, Message } from './rpc.ts';
import { isRequest, isResponse, notification, result, request as rpcRequest } from './rpc.ts';
import type { SseEvent } from './sse.ts';
import { readSse } from './sse.ts';

export interface RawClientOptions {
  /** Sent with every request, after the client's own; `undefined` takes one of the client's own away. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly protocolVersion?: string;
  readonly capabilities?: Record<string, unknown>;
}

export interface CallOptions {
  readonly id?: Id;
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
  /** Called for each message on the way that is not the answer, as it arrives, with its text; its promise is waited for. */
  readonly onMessage?: (message: Message, text: string) => void | Promise<void>;
}

/** What came back for one HTTP request, read to its end. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The body as text; of a stream, the data of its events. */
  readonly text: string;
  /** The JSON-RPC answer; absent where the body holds none. */
  readonly message?: Message;
  /** Every JSON-RPC message of the body, in order, the answer included. */
  readonly messages: readonly Message[];
  readonly events: readonly SseEvent[];
}

/** A response whose body is an open stream. */
export interface RawStream extends AsyncIterable<SseEvent> {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The next JSON-RPC message; undefined when the stream has ended. */
  next(): Promise<Message | undefined>;
  /** Closes the connection, as a client does that went away. */
  close(): void;
}

/**
 * A client that does exactly what a test says and shows all that comes back. It keeps the session id and the
 * version; everything else is up to the caller.
 */
export class RawClient {
  sessionId: string | undefined;
  protocolVersion: string | undefined;
  readonly url: string;
  readonly #options: RawClientOptions;
  readonly #agent = new Agent({ keepAlive: true });
  #lastId = 0;

  constructor(url: string, options: RawClientOptions = {}) {
    this.url = url;
    this.#options = options;
  }

  /** The handshake: `initialize`, then `notifications/initialized`. Returns the answer to the first, whatever it is. */
  async initialize(params: Record<string, unknown> = {}): Promise<RawAnswer> {
    const answer = await this.request('initialize', {
      protocolVersion: this.#options.protocolVersion ?? '2025-11-25',
      capabilities: this.#options.capabilities ?? {},
      clientInfo: { name: 'raw-client', version: '1.0.0' },
      ...params,
    });
    if (answer.message?.result === undefined) return answer;
    const sessionId = answer.headers['mcp-session-id'];
    if (typeof sessionId === 'string') this.sessionId = sessionId;
    this.protocolVersion = answer.message.result.protocolVersion;
    await this.notify('notifications/initialized');
    return answer;
  }

  request(method: string, params?: Record<string, unknown>, options: CallOptions = {}): Promise<RawAnswer> {
    return this.post(rpcRequest(options.id ?? ++this.#lastId, method, params), options);
  }

  callTool(name: string, args: Record<string, unknown> = {}, options: CallOptions = {}): Promise<RawAnswer> {
    return this.request('tools/call', { name, arguments: args }, options);
  }

  notify(method: string, params?: Record<string, unknown>, options: CallOptions = {}): Promise<RawAnswer> {
    return this.post(notification(method, params), options);
  }

  /** Answers a request of the server. */
  respond(id: Id, value: unknown, options: CallOptions = {}): Promise<RawAnswer> {
    return this.post(result(id, value), options);
  }

  /** POSTs anything: a message, a batch, or a string that may not be JSON at all. */
  async post(body: unknown, options: CallOptions = {}): Promise<RawAnswer> {
    const response = await this.#send(
      'POST',
      options,
      typeof body === 'string' ? body : JSON.stringify(body),
    );
    const id = isSingle(body) && isRequest(body) ? body.id : undefined;
    return readAnswer(response, id, options.onMessage);
  }

  /** POSTs a message and leaves its answer open, to be read bit by bit or abandoned. */
  async postStream(body: unknown, options: CallOptions = {}): Promise<RawStream> {
    return openStream(await this.#send('POST', options, JSON.stringify(body)));
  }

  /** Opens the session's GET stream. */
  async stream(options: CallOptions & { lastEventId?: string } = {}): Promise<RawStream> {
    const resume = options.lastEventId === undefined ? {} : { 'last-event-id': options.lastEventId };
    const headers = { accept: 'text/event-stream', ...resume, ...options.headers };
    return openStream(await this.#send('GET', { ...options, headers }));
  }

  /** Ends the session. */
  async delete(options: CallOptions = {}): Promise<RawAnswer> {
    return readAnswer(await this.#send('DELETE', options), undefined);
  }

  /** Drops every connection, streams included. */
  close(): void {
    this.#agent.destroy();
  }

  async #send(method: string, options: CallOptions, body?: string): Promise<IncomingMessage> {
    const headers = {
      accept: 'application/json, text/event-stream',
      ...(body !== undefined && {
        'content-type': 'application/json',
        'content-length': `${Buffer.byteLength(body)}`,
      }),
      ...(this.sessionId !== undefined && { 'mcp-session-id': this.sessionId }),
      ...(this.protocolVersion !== undefined && { 'mcp-protocol-version': this.protocolVersion }),
      ...this.#options.headers,
      ...options.headers,
    };
    const sent = Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined);
    const outgoing = httpRequest(this.url, {
      method,
      agent: this.#agent,
      headers: Object.fromEntries(sent),
      ...(options.signal && { signal: options.signal }),
    });
    outgoing.end(body);
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    return response;
  }
}

const isSingle = (body: unknown): body is Message =>
  typeof body === 'object' && body !== null && !Array.isArray(body);

async function readAnswer(
  response: IncomingMessage,
  id: Id | undefined,
  onMessage?: CallOptions['onMessage'],
): Promise<RawAnswer> {
  const messages: Message[] = [];
  const events: SseEvent[] = [];
  let text = '';
  const type = response.headers['content-type'] ?? '';
  const isAnswer = (message: Message) => isResponse(message) && (id === undefined || message.id === id);
  if (type.startsWith('text/event-stream')) {
    for await (const event of readSse(response)) {
      events.push(event);
      text += event.data;
      if (event.message === undefined) continue;
      messages.push(event.message);
      if (!isAnswer(event.message)) await onMessage?.(event.message, event.data);
    }
  } else {
    for await (const chunk of response.setEncoding('utf8')) text += chunk;
    if (type.startsWith('application/json') && text !== '') messages.push(...[JSON.parse(text)].flat());
  }
  // An error of a request that could not be read has no id, and is its answer all the same.
  const message = messages.find(isAnswer) ?? messages.find((candidate) => candidate.error !== undefined);
  const { statusCode: status = 0, headers } = response;
  return { status, headers, text, messages, events, ...(message && { message }) };
}

function openStream(response: IncomingMessage): RawStream {
  const events = readSse(response);
  const { statusCode: status = 0, headers } = response;
  return {
    status,
    headers,
    [Symbol.asyncIterator]: () => events,
    async next() {
      for (;;) {
        const { value, done } = await events.next();
        if (done) return undefined;
        if (value.message !== undefined) return value.message;
      }
    },
    close: () => response.destroy(),
  };
}
