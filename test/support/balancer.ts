import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:net';
import { pipeline } from 'node:stream/promises';

const CHECK_EVERY_MS = 200;
/** A backend that is silent for so long gets nothing new. Longer than one takes that is only busy. */
const CHECK_TIMEOUT_MS = 3000;
const CONNECT_TIMEOUT_MS = 1000;

/** Headers that are about one connection and not about the message (RFC 9110, section 7.6.1). */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'upgrade']);

export interface BalancerOptions {
  /** Origins such as `http://127.0.0.1:8081`. */
  readonly backends?: readonly string[];
  /** Default: any free one. */
  readonly port?: number;
}

interface Backend {
  readonly origin: string;
  ready: boolean;
  checking: boolean;
}

/**
 * An HTTP balancer without stickiness: each request goes to the next backend whose `/readyz` answers 200. It streams both
 * ways at the pace of the slower side. A request is tried at another backend only where no connection came about: once a
 * byte was sent, nobody knows what has been done. The response header `x-backend` names who answered.
 */
export class Balancer {
  /** Origin that clients call. */
  readonly url: string;
  /** Requests that a backend took and did not answer; the client got 502. */
  broken = 0;
  /** Requests that each backend was given, by origin; those that were taken out included. */
  readonly counts: Record<string, number> = {};
  readonly #http: ReturnType<typeof createServer>;
  readonly #backends = new Map<string, Backend>();
  readonly #checks: NodeJS.Timeout;
  #turn = 0;

  private constructor(http: ReturnType<typeof createServer>, backends: readonly string[]) {
    this.#http = http;
    this.url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
    http.on('request', (request, response) => void this.#serve(request, response));
    this.#checks = setInterval(() => {
      for (const backend of this.#backends.values()) void this.#check(backend);
    }, CHECK_EVERY_MS);
    for (const origin of backends) this.add(origin);
  }

  static async start(options: BalancerOptions = {}): Promise<Balancer> {
    // Longer than tests pause, so that no request meets a connection that is being closed.
    const http = createServer({ keepAliveTimeout: 120_000 });
    http.listen(options.port ?? 0, '127.0.0.1');
    await once(http, 'listening');
    return new Balancer(http, options.backends ?? []);
  }

  /** Backends that get requests now. */
  get ready(): readonly string[] {
    return this.#candidates().map(({ origin }) => origin);
  }

  /** Puts a backend in; it gets requests once it says that it is ready. */
  add(origin: string): void {
    const backend = { origin, ready: false, checking: false };
    this.#backends.set(origin, backend);
    this.counts[origin] ??= 0;
    void this.#check(backend);
  }

  /** Takes a backend out. What it is at work on goes on. */
  remove(origin: string): void {
    this.#backends.delete(origin);
  }

  /** Cuts every connection. */
  async close(): Promise<void> {
    clearInterval(this.#checks);
    const closed = once(this.#http, 'close');
    this.#http.close();
    this.#http.closeAllConnections();
    await closed;
  }

  async #check(backend: Backend): Promise<void> {
    if (backend.checking) return;
    backend.checking = true;
    const signal = AbortSignal.timeout(CHECK_TIMEOUT_MS);
    try {
      const response = await fetch(`${backend.origin}/readyz`, { signal, headers: { connection: 'close' } });
      await response.body?.cancel();
      backend.ready = response.ok;
    } catch {
      backend.ready = false;
    }
    backend.checking = false;
  }

  #candidates(): readonly Backend[] {
    return [...this.#backends.values()].filter(({ ready }) => ready);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const candidates = this.#candidates();
    const first = this.#turn++;
    for (let i = 0; i < candidates.length; i++) {
      const backend = candidates[(first + i) % candidates.length]!;
      const socket = await open(backend.origin);
      if (socket === undefined) {
        backend.ready = false;
        continue;
      }
      this.counts[backend.origin] = (this.counts[backend.origin] ?? 0) + 1;
      relay(request, response, backend.origin, socket, () => this.broken++);
      return;
    }
    refuse(response, 503, 'No node is ready');
  }
}

/** A connection; undefined where none came about. */
function open(origin: string): Promise<Socket | undefined> {
  const { hostname, port } = new URL(origin);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    const fail = () => {
      socket.destroy();
      resolve(undefined);
    };
    socket.setTimeout(CONNECT_TIMEOUT_MS, fail);
    socket.once('error', fail);
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.off('timeout', fail).off('error', fail);
      resolve(socket);
    });
  });
}

function relay(
  request: IncomingMessage,
  response: ServerResponse,
  origin: string,
  socket: Socket,
  broken: () => void,
): void {
  const outgoing = httpRequest({
    createConnection: () => socket,
    method: request.method,
    path: request.url,
    headers: endToEnd(request.rawHeaders),
    setHost: false,
  });
  outgoing.on('error', () => {
    if (response.headersSent) response.destroy();
    else if (!response.destroyed) {
      broken();
      refuse(response, 502, 'The node did not answer');
    }
  });
  outgoing.on('response', (incoming) => {
    response.writeHead(incoming.statusCode ?? 502, [...endToEnd(incoming.rawHeaders), 'x-backend', origin]);
    // The head of an event stream leaves before its first event.
    response.flushHeaders();
    // Half an answer is passed on as half an answer: the pipeline cuts the client's connection.
    pipeline(incoming, response).catch(() => response.destroy());
  });
  response.once('close', () => {
    if (!response.writableFinished) outgoing.destroy();
  });
  // A backend may answer before it has read all, and the error of a connection is the one above.
  pipeline(request, outgoing).catch(() => {});
}

/** Raw headers without those of the connection. */
function endToEnd(raw: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const [name, value] = [raw[i]!, raw[i + 1]!];
    if (!HOP_BY_HOP.has(name.toLowerCase())) kept.push(name, value);
  }
  return kept;
}

function refuse(response: ServerResponse, status: number, error: string): void {
  response.writeHead(status, { 'content-type': 'application/json', 'retry-after': '1' });
  response.end(JSON.stringify({ error }));
}
