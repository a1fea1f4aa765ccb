import { Agent, type Dispatcher } from 'undici';

export interface HttpClientOptions {
  /** Milliseconds for TCP and TLS together. */
  readonly connectTimeoutMs: number;
  /** Largest single message that is read from a server, in bytes. */
  readonly maxMessageBytes: number;
}

/** An address split once, so that no call does it again. */
export interface HttpEndpoint {
  readonly origin: string;
  readonly path: string;
}

export function endpointOf(url: string): HttpEndpoint {
  const parsed = new URL(url);
  return { origin: parsed.origin, path: parsed.pathname + parsed.search };
}

/**
 * The pools towards all HTTP downstreams. Response deadlines are ours, per call, so undici's own are off. Redirects are
 * not followed: a server's address is what its owner registered.
 */
export class HttpClient {
  readonly maxMessageBytes: number;
  readonly #agent: Agent;

  constructor(options: HttpClientOptions) {
    this.maxMessageBytes = options.maxMessageBytes;
    this.#agent = new Agent({
      connect: { timeout: options.connectTimeoutMs },
      headersTimeout: 0,
      bodyTimeout: 0,
      pipelining: 1,
      allowH2: false,
    });
  }

  dispatch(
    endpoint: HttpEndpoint,
    method: 'GET' | 'POST' | 'DELETE',
    headers: string[],
    body: string | null,
    handler: Dispatcher.DispatchHandler,
  ): void {
    this.#agent.dispatch({ origin: endpoint.origin, path: endpoint.path, method, headers, body }, handler);
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }
}

/** First value of a response header, lower-cased name. */
export function headerOf(
  headers: Readonly<Record<string, string | string[] | undefined>>,
  name: string,
): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}
