import type { Dispatcher } from 'undici';
import type { HttpTarget } from '../db/server-record.ts';
import { GatewayError } from '../protocol/errors.ts';
import type { AccessToken, Credentials } from './credentials.ts';
import {
  type Dispatch,
  type HttpClient,
  type HttpEndpoint,
  type HttpMethod,
  headerOf,
  NO_CONTROLLER,
} from './http-client.ts';
import type { DownstreamServer } from './port.ts';

/** As much of a refusal as is kept until it is known whether a log-in helps, in bytes. */
const MAX_REFUSAL_BYTES = 8 * 1024;

/** The client for a server: its own where the headers say who we are, else one that adds what a log-in has brought. */
export function clientFor(
  client: HttpClient,
  server: DownstreamServer,
  target: HttpTarget,
  credentials: Credentials,
): Dispatch {
  const hasOwn = Object.keys(target.headers).some((name) => name.toLowerCase() === 'authorization');
  return hasOwn ? client : new AuthorizedClient(client, server, credentials);
}

/** Requests to one server, with what a log-in has brought. One that is refused is sent once more when that has been renewed. */
class AuthorizedClient implements Dispatch {
  readonly maxMessageBytes: number;
  readonly #client: HttpClient;
  readonly #server: DownstreamServer;
  readonly #credentials: Credentials;
  /** By the headers that many requests have: put together when the token changes, and not for each of them. */
  readonly #combined = new WeakMap<
    readonly string[],
    { readonly token: AccessToken; readonly all: string[] }
  >();

  constructor(client: HttpClient, server: DownstreamServer, credentials: Credentials) {
    this.maxMessageBytes = client.maxMessageBytes;
    this.#client = client;
    this.#server = server;
    this.#credentials = credentials;
  }

  dispatch(
    endpoint: HttpEndpoint,
    method: HttpMethod,
    headers: string[],
    body: string | null,
    handler: Dispatcher.DispatchHandler,
  ): void {
    const token = this.#credentials.of(this.#server);
    if (!(token instanceof Promise))
      return this.#send(new AuthorizedRequest(this, endpoint, method, headers, body, handler, token, false));
    token.then(
      (found) =>
        this.#send(new AuthorizedRequest(this, endpoint, method, headers, body, handler, found, false)),
      (error) => handler.onResponseError?.(NO_CONTROLLER, GatewayError.from(error)),
    );
  }

  /** A request was refused: sends it once more where that may help, and resolves with whether it did. */
  async refused(
    request: AuthorizedRequest,
    status: number,
    wwwAuthenticate: string | undefined,
  ): Promise<boolean> {
    const { token: used, isSecondTry, endpoint, method, headers, body, handler } = request;
    const refusal = { status, wwwAuthenticate, used, isSecondTry };
    const renewed = await this.#credentials.refused(this.#server, refusal);
    if (renewed === undefined || isSecondTry) return false;
    this.#send(new AuthorizedRequest(this, endpoint, method, headers, body, handler, renewed, true));
    return true;
  }

  #send(request: AuthorizedRequest): void {
    const { endpoint, method, headers, body, token } = request;
    const all = token === undefined ? headers : this.#with(token, headers);
    this.#client.dispatch(endpoint, method, all, body, request);
  }

  #with(token: AccessToken, headers: string[]): string[] {
    const known = this.#combined.get(headers);
    if (known?.token === token) return known.all;
    const all = [...headers, ...token.header];
    this.#combined.set(headers, { token, all });
    return all;
  }
}

interface HeldBack {
  readonly controller: Dispatcher.DispatchController;
  readonly status: number;
  readonly headers: Parameters<NonNullable<Dispatcher.DispatchHandler['onResponseStart']>>[2];
  readonly chunks: Buffer[];
  bytes: number;
  readonly isEnded: Promise<void>;
  readonly end: () => void;
}

/** A request on its way. Keeps from its handler that it was refused, until it is clear that a log-in does not help. */
class AuthorizedRequest implements Dispatcher.DispatchHandler {
  readonly endpoint: HttpEndpoint;
  readonly method: HttpMethod;
  readonly headers: string[];
  readonly body: string | null;
  readonly handler: Dispatcher.DispatchHandler;
  readonly token: AccessToken | undefined;
  /** It has been refused once. */
  readonly isSecondTry: boolean;
  readonly #client: AuthorizedClient;
  #held: HeldBack | undefined;

  // One for each request: it has all in it, and no closure.
  constructor(
    client: AuthorizedClient,
    endpoint: HttpEndpoint,
    method: HttpMethod,
    headers: string[],
    body: string | null,
    handler: Dispatcher.DispatchHandler,
    token: AccessToken | undefined,
    isSecondTry: boolean,
  ) {
    this.#client = client;
    this.endpoint = endpoint;
    this.method = method;
    this.headers = headers;
    this.body = body;
    this.handler = handler;
    this.token = token;
    this.isSecondTry = isSecondTry;
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.handler.onRequestStart?.(controller, context);
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: HeldBack['headers'],
    message?: string,
  ): void {
    if (status === 401 || status === 403) return this.#hold(controller, status, headers);
    this.handler.onResponseStart?.(controller, status, headers, message);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const held = this.#held;
    if (held === undefined) {
      this.handler.onResponseData?.(controller, chunk);
      return;
    }
    held.bytes += chunk.length;
    if (held.bytes <= MAX_REFUSAL_BYTES) held.chunks.push(Buffer.from(chunk));
    else controller.abort(new Error('refused'));
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: HeldBack['headers']): void {
    if (this.#held === undefined) this.handler.onResponseEnd?.(controller, trailers);
    else this.#held.end();
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#held === undefined) this.handler.onResponseError?.(controller, error);
    else this.#held.end();
  }

  #hold(controller: Dispatcher.DispatchController, status: number, headers: HeldBack['headers']): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    const held = { controller, status, headers, chunks: [], bytes: 0, isEnded: promise, end: resolve };
    this.#held = held;
    this.#client.refused(this, status, headerOf(headers, 'www-authenticate')).then(
      (goesOn) => {
        if (!goesOn) void promise.then(() => this.#tell(held));
      },
      (error) => this.handler.onResponseError?.(controller, GatewayError.from(error)),
    );
  }

  #tell({ controller, status, headers, chunks }: HeldBack): void {
    this.handler.onResponseStart?.(controller, status, headers);
    for (const chunk of chunks) this.handler.onResponseData?.(controller, chunk);
    this.handler.onResponseEnd?.(controller, {});
  }
}
