import type { Agent, Dispatcher } from 'undici';
import { Code, GatewayError } from '../protocol/errors.ts';
import { Http1Pool } from './http1/pool.ts';
import type { TlsAgentOptions } from './tls-agent.ts';

export interface HttpClientOptions extends TlsAgentOptions {
  /** Largest single message that is read from a server, in bytes. */
  readonly maxMessageBytes: number;
}

/** An address split once, so that no call does it again. */
export interface HttpEndpoint {
  readonly origin: string;
  /** Name and port, as a Host header has them. */
  readonly host: string;
  readonly path: string;
}

export function endpointOf(url: string): HttpEndpoint {
  const { origin, host, pathname, search } = new URL(url);
  return { origin, host, path: pathname + search };
}

export type HttpMethod = 'GET' | 'POST' | 'DELETE';

/** Sends requests to servers. */
export interface Dispatch {
  /** Largest single message that is read from a server, in bytes. */
  readonly maxMessageBytes: number;
  /** `headers`: names and values in turn; not to be changed afterwards. The handler is told of one end. */
  dispatch(
    endpoint: HttpEndpoint,
    method: HttpMethod,
    headers: string[],
    body: string | null,
    handler: Dispatcher.DispatchHandler,
  ): void;
}

/**
 * The pools towards all HTTP downstreams: own connections where they are plain, which cost a call far less; undici's where
 * there is TLS, loaded when the first call needs them. Redirects are not followed: a server's
 * address is what its owner registered. Where connections may go is checked when one is made.
 */
export class HttpClient implements Dispatch {
  readonly maxMessageBytes: number;
  readonly #options: TlsAgentOptions;
  #isClosed = false;
  #agent: Agent | undefined;
  #loading: Promise<Agent> | undefined;
  /** By origin. */
  readonly #pools = new Map<string, Http1Pool>();
  /** Of header lists that many requests have. */
  readonly #heads = new WeakMap<readonly string[], Head>();

  constructor(options: HttpClientOptions) {
    this.maxMessageBytes = options.maxMessageBytes;
    this.#options = options;
  }

  dispatch(
    endpoint: HttpEndpoint,
    method: HttpMethod,
    headers: string[],
    body: string | null,
    handler: Dispatcher.DispatchHandler,
  ): void {
    const { origin, path } = endpoint;
    if (!origin.startsWith('http:')) {
      this.#dispatchTls({ origin, path, method, headers, body }, handler);
      return;
    }
    let head: Head;
    let pool: Http1Pool;
    try {
      if (this.#isClosed) throw closed();
      head = this.#head(endpoint, method, headers);
      pool = this.#pool(endpoint);
    } catch (error) {
      handler.onResponseError?.(NO_CONTROLLER, GatewayError.from(error));
      return;
    }
    const length = body === null ? 0 : Buffer.byteLength(body);
    const rest = body === null ? '\r\n' : `content-length: ${length}\r\n\r\n${body}`;
    if (head.isAscii) {
      // What is ASCII alone needs no encoding.
      const encoding = length === (body?.length ?? 0) ? 'latin1' : 'utf8';
      return pool.send({ data: head.text + rest, encoding, handler });
    }
    const data = Buffer.concat([Buffer.from(head.text, 'latin1'), Buffer.from(rest)]);
    pool.send({ data, encoding: 'utf8', handler });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const pool of this.#pools.values()) pool.destroy();
    await (await this.#loading)?.destroy();
  }

  #dispatchTls(request: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    if (this.#agent !== undefined) {
      this.#agent.dispatch(request, handler);
      return;
    }
    this.#loadAgent()
      .then((agent) => agent.dispatch(request, handler))
      .catch((error) => handler.onResponseError?.(NO_CONTROLLER, GatewayError.from(error)));
  }

  async #loadAgent(): Promise<Agent> {
    if (this.#isClosed) throw closed();
    this.#loading ??= import('./tls-agent.ts').then(({ createTlsAgent }) => createTlsAgent(this.#options));
    this.#agent = await this.#loading;
    return this.#agent;
  }

  #pool({ origin }: HttpEndpoint): Http1Pool {
    const known = this.#pools.get(origin);
    if (known !== undefined) return known;
    const { hostname, port } = new URL(origin);
    this.#options.networks.check(hostname);
    const pool = new Http1Pool({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? 80 : Number(port),
      lookup: this.#options.networks.lookup,
      connectTimeoutMs: this.#options.connectTimeoutMs,
      onEmpty: () => this.#pools.delete(origin),
    });
    this.#pools.set(origin, pool);
    return pool;
  }

  #head(endpoint: HttpEndpoint, method: HttpMethod, headers: readonly string[]): Head {
    const known = this.#heads.get(headers);
    if (known?.endpoint === endpoint && known.method === method) return known;
    const text = headText(endpoint, method, headers);
    const head = { endpoint, method, text, isAscii: ASCII.test(text) };
    this.#heads.set(headers, head);
    return head;
  }
}

function closed(): GatewayError {
  return new GatewayError(Code.Unavailable, 'The gateway is shutting down');
}

interface Head {
  readonly endpoint: HttpEndpoint;
  readonly method: HttpMethod;
  readonly text: string;
  readonly isAscii: boolean;
}

/** Of a request that was never sent. */
export const NO_CONTROLLER: Dispatcher.DispatchController = {
  aborted: true,
  paused: false,
  reason: null,
  abort: () => {},
  pause: () => {},
  resume: () => {},
};

const ASCII = /^[\0-\x7f]*$/;
const NAME = /^[\w!#$%&'*+.^`|~-]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** All of a request's head but the length of its body. Throws InvalidArgument for a header that HTTP does not have. */
function headText({ host, path }: HttpEndpoint, method: HttpMethod, headers: readonly string[]): string {
  let text = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: keep-alive\r\n`;
  for (let index = 0; index < headers.length; index += 2) {
    const [name = '', value = ''] = headers.slice(index, index + 2);
    if (!NAME.test(name) || !VALUE.test(value)) {
      throw new GatewayError(Code.InvalidArgument, `A header is malformed: ${JSON.stringify(name)}`);
    }
    text += `${name}: ${value}\r\n`;
  }
  return text;
}

/** First value of a response header, lower-cased name. */
export function headerOf(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  name: string,
): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}
