import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import type { Readiness } from '../admin/health.ts';
import type { Member } from '../coordination/members.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Logger, Metrics } from '../telemetry/types.ts';
import { Connections } from './connections.ts';
import { createGuard } from './guard.ts';
import type { RunningServer } from './mcp-server.ts';

export interface OpsServerOptions {
  readonly host: string;
  /** 0 stands for any free port. */
  readonly port: number;
  readonly readiness: () => ReturnType<Readiness> | Promise<ReturnType<Readiness>>;
  readonly members: () => Promise<readonly Member[]>;
  readonly metrics: Pick<Metrics, 'scrape'>;
  readonly logger: Logger;
  /** Names by which the server may be called, besides loopback ones. */
  readonly allowedHosts?: readonly string[];
}

/** Requests here have no body and few headers. */
const TIMEOUT_MS = 10_000;

/** Liveness, readiness, members and metrics, for probes, scrapers and operators. Rejects where it cannot listen. */
export async function startOpsServer(options: OpsServerOptions): Promise<RunningServer> {
  const { host, port, logger } = options;
  const server = createServer({
    headersTimeout: TIMEOUT_MS,
    requestTimeout: TIMEOUT_MS,
    keepAliveTimeout: 75_000,
  });
  const connections = new Connections(server);
  server.on('request', getRequestListener(createOpsApp(options).fetch, { overrideGlobalObjects: false }));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  server.on('error', (err) => logger.error('The ops port could not accept a connection', { err }));
  return {
    port: (server.address() as AddressInfo).port,
    drain: () => connections.drain(),
    close: (graceMs) => connections.close(graceMs),
  };
}

function createOpsApp(options: OpsServerOptions): Hono<{ Bindings: HttpBindings }> {
  const { readiness, members, metrics, logger, allowedHosts = [] } = options;
  const guard = createGuard({ boundHost: options.host, allowedHosts, allowedOrigins: [] });
  const app = new Hono<{ Bindings: HttpBindings }>();
  app.use(async (context, next) => {
    const { host, origin } = context.env.incoming.headers;
    const refusal = guard(host, origin);
    if (refusal !== undefined) return context.json({ error: refusal.message }, refusal.status);
    await next();
    return undefined;
  });
  app.get('/alive', (context) => context.json({ alive: true }));
  app.get('/ready', async (context) => {
    const { ready, reasons } = await readiness();
    return context.json({ ready, reasons }, ready ? 200 : 503);
  });
  app.get('/cluster/members', async (context) => context.json(await members()));
  app.get('/metrics', async (context) => {
    const body = await metrics.scrape();
    return context.body(body, 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
  });
  app.notFound((context) =>
    context.json({ error: 'Not found', paths: ['/alive', '/ready', '/cluster/members', '/metrics'] }, 404),
  );
  app.onError((err, context) => {
    // The store that knows the members is away, and says so in the log by itself.
    if (err instanceof GatewayError && err.code === Code.Unavailable)
      return context.json({ error: err.message }, 503, { 'retry-after': '1' });
    logger.error('Ops request failed', { path: context.req.path, err });
    return context.json({ error: 'Internal error' }, 500);
  });
  return app;
}
