import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { Connections } from './connections.ts';
import { Front, type FrontRoute } from './front/front.ts';
import type { createMcpApp } from './mcp-app.ts';
import type { McpEndpoint } from './mcp-endpoint.ts';
import type { McpHandler, Serve } from './mcp-handler.ts';

export interface McpServerOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly app: ReturnType<typeof createMcpApp>;
  readonly handler: McpHandler;
  readonly endpoint: McpEndpoint;
  /** More are closed as they come, and told of. */
  readonly maxConnections: number;
  readonly onDrop: () => void;
}

export interface RunningServer {
  readonly port: number;
  /** Goes on serving, with a connection for each request from now on. */
  drain(): void;
  /** Takes no new connections, lets requests end for `graceMs`, then cuts what is left. */
  close(graceMs: number): Promise<void>;
}

/** Time to send the head of a request, and the whole of it. Slower clients hold a connection for nothing. */
const HEADERS_TIMEOUT_MS = 15_000;
const REQUEST_TIMEOUT_MS = 120_000;

/** Longer than the idle time-out of common load balancers (60 s), so that they close first and no request meets a closing socket. */
const KEEP_ALIVE_MS = 75_000;

export async function startMcpServer(options: McpServerOptions): Promise<RunningServer> {
  const { host, port, app, handler, endpoint } = options;
  const server = createServer({
    headersTimeout: HEADERS_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    noDelay: true,
  });
  server.maxConnections = options.maxConnections;
  server.on('drop', options.onDrop);
  const route = (method: FrontRoute['method'], serve: Serve): FrontRoute => ({
    method,
    path: '/mcp',
    serve: (request, response, socket) => {
      connections.follow(socket, response);
      handler.handle(serve, request, response);
    },
  });
  new Front(server, [
    route('POST', (request, response) => endpoint.post(request, response)),
    route('GET', (request, response) => endpoint.get(request, response)),
    route('DELETE', (request, response) => endpoint.delete(request, response)),
  ]);
  const connections = new Connections(server);
  server.on('request', getRequestListener(app.fetch, { overrideGlobalObjects: false }));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, backlog: 4096 }, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    drain: () => connections.drain(),
    close: (graceMs) => connections.close(graceMs),
  };
}
