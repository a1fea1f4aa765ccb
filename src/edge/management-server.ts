import { Code, ConnectError, cors } from '@connectrpc/connect';
import { getRequestListener } from '@hono/node-server';
import type { Readiness } from '../admin/health.ts';
import type { Routes } from '../admin/routes.ts';
import type { Logger } from '../telemetry/types.ts';
import { createGuard, type Refusal } from './guard.ts';
import {
  DEFAULT_TIMEOUTS,
  type H2cRequest,
  type H2cResponse,
  type H2cTimeouts,
  startH2cServer,
} from './h2c-server.ts';
import { createHealthApp } from './health-app.ts';
import { createRpcHandler } from './management-rpc.ts';
import type { RunningServer } from './mcp-server.ts';

export interface ManagementServerOptions {
  readonly host: string;
  /** 0 stands for any free port. */
  readonly port: number;
  readonly routes: Routes;
  readonly readiness: Readiness;
  readonly logger: Logger;
  /** Bytes of one request message, after decompression. */
  readonly maxBodyBytes: number;
  /** Names by which the server may be called, besides loopback ones. */
  readonly allowedHosts?: readonly string[];
  /** Origins of pages that may call, besides loopback ones; only these are answered with CORS headers. */
  readonly allowedOrigins?: readonly string[];
  readonly timeouts?: H2cTimeouts;
}

/**
 * The management port: gRPC, gRPC-Web and Connect over HTTP/1.1 and h2c, and `/healthz` and `/readyz` for whoever
 * checks the port that it sends to. Rejects where the port cannot be listened on.
 */
export async function startManagementServer(options: ManagementServerOptions): Promise<RunningServer> {
  const { allowedHosts = [], allowedOrigins = [] } = options;
  const closing = new AbortController();
  const shutdown = new AbortController();
  const guard = createGuard({ boundHost: options.host, allowedHosts, allowedOrigins });
  const serveRpc = createRpcHandler({
    routes: options.routes,
    closing: closing.signal,
    shutdown: shutdown.signal,
    maxBodyBytes: options.maxBodyBytes,
    logger: options.logger,
  });
  const serveHealth = getRequestListener(createHealthApp(options.readiness).fetch);

  function onRequest(request: H2cRequest, response: H2cResponse): void {
    const { origin } = request.headers;
    const refusal = guard(authorityOf(request), origin);
    if (refusal !== undefined) {
      refuse(response, refusal);
      return;
    }
    if (origin !== undefined && allowedOrigins.includes(origin)) {
      if (allowCrossOrigin(request, response, origin)) return;
    }
    // Hono's listener answers its own failures, and does not reject.
    if (!serveRpc(request, response)) void serveHealth(request, response);
  }

  const server = await startH2cServer({
    host: options.host,
    port: options.port,
    timeouts: options.timeouts ?? DEFAULT_TIMEOUTS,
    onRequest,
    onError: (err) => options.logger.error('The management port could not accept a connection', { err }),
  });
  return {
    port: server.port,
    drain: () => server.drain(),
    async close(graceMs) {
      closing.abort();
      await server.close(graceMs);
      shutdown.abort(new ConnectError('The gateway is shutting down', Code.Unavailable));
    },
  };
}

function authorityOf(request: H2cRequest): string | undefined {
  return 'authority' in request ? request.authority : request.headers.host;
}

/** In the form of the Connect protocol; gRPC clients go by the status. */
function refuse(response: H2cResponse, { status, message }: Refusal): void {
  const code = status === 403 ? 'permission_denied' : 'invalid_argument';
  response.statusCode = status;
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ code, message }));
}

/** Whether the request was a preflight and is answered. */
function allowCrossOrigin(request: H2cRequest, response: H2cResponse, origin: string): boolean {
  response.setHeader('access-control-allow-origin', origin);
  response.setHeader('access-control-expose-headers', cors.exposedHeaders.join(', '));
  response.setHeader('vary', 'Origin');
  if (request.method !== 'OPTIONS') return false;
  response.setHeader('access-control-allow-methods', cors.allowedMethods.join(', '));
  response.setHeader('access-control-allow-headers', [...cors.allowedHeaders, 'Authorization'].join(', '));
  response.setHeader('access-control-max-age', '7200');
  response.statusCode = 204;
  response.end();
  return true;
}
