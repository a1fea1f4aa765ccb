import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { PlainConnection, type PlainConnectionOptions, type PlainRoute } from './plain-connection.ts';

export interface FrontRoute {
  readonly method: 'POST' | 'GET' | 'DELETE';
  /** Such as `/mcp`, to the letter. */
  readonly path: string;
  readonly serve: PlainRoute['serve'];
}

const SWEEP_MS = 5000;

/**
 * Stands before one of Node's HTTP servers and serves plain requests itself, which costs a call a good deal less. The
 * connection of whatever else is handed over before any of that is read: to Node's server it is as if it were new.
 * The server's own limits of time hold for both.
 */
export class Front {
  readonly #server: Server;
  readonly #options: PlainConnectionOptions;
  readonly #connections = new Set<PlainConnection>();
  readonly #sweeper: NodeJS.Timeout;

  /** Before anybody else listens for the server's connections. */
  constructor(server: Server, routes: readonly FrontRoute[]) {
    this.#server = server;
    const [own] = server.listeners('connection');
    server.removeAllListeners('connection');
    this.#options = {
      routes: routes.map(({ method, path, serve }) => ({
        requestLine: `${method} ${path} HTTP/1.1\r\n`,
        hasBody: method === 'POST',
        serve,
      })),
      keepAlive: `connection: keep-alive\r\nkeep-alive: timeout=${Math.floor(server.keepAliveTimeout / 1000)}\r\n`,
      handOver: (socket, bytes) => {
        socket.unshift(bytes);
        own?.call(server, socket);
        socket.resume();
      },
      onClose: (connection) => this.#connections.delete(connection),
    };
    server.on('connection', (socket: Socket) =>
      this.#connections.add(new PlainConnection(socket, this.#options)),
    );
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS);
    this.#sweeper.unref();
    server.once('close', () => clearInterval(this.#sweeper));
  }

  #sweep(): void {
    const now = performance.now();
    const { headersTimeout, requestTimeout, keepAliveTimeout } = this.#server;
    const limits = { idle: keepAliveTimeout, head: headersTimeout, body: requestTimeout, answer: Infinity };
    for (const connection of this.#connections) {
      connection.since ??= now;
      if (now - connection.since > limits[connection.phase]) connection.destroy();
    }
  }
}
