import { createManagementRoutes } from './admin/routes.ts';
import { LOCAL_PRINCIPAL, type Owner } from './auth/principal.ts';
import { Catalogs } from './catalog/catalogs.ts';
import { CatalogServerManager } from './catalog/manager.ts';
import { ServerRegistry } from './catalog/registry.ts';
import type { Config } from './config.ts';
import { type Database, openDatabase } from './db/database.ts';
import { Breakers } from './downstream/breaker.ts';
import { STDIO_OFF, TransportConnector } from './downstream/connector.ts';
import type { Deadlines } from './downstream/port.ts';
import { EventStreams } from './edge/event-stream.ts';
import { createGuard } from './edge/guard.ts';
import { startManagementServer } from './edge/management-server.ts';
import { createMcpApp } from './edge/mcp-app.ts';
import { type EndpointOptions, McpEndpoint } from './edge/mcp-endpoint.ts';
import { type RunningServer, startMcpServer } from './edge/mcp-server.ts';
import { startOpsServer } from './edge/ops.ts';
import { SseEndpoint } from './edge/sse-endpoint.ts';
import { NodeReadiness } from './readiness.ts';
import { BuiltinLink, builtinServer } from './router/builtin-link.ts';
import { Router } from './router/router.ts';
import { Sessions } from './session/sessions.ts';
import { createMetrics } from './telemetry/metrics.ts';
import type { Logger, Metrics } from './telemetry/types.ts';
import { packageVersion } from './version.ts';

export interface RunningGateway {
  readonly urls: { readonly mcp: string; readonly management: string; readonly ops: string };
  /** Refuses what is new, lets what runs end, closes everything. May be called more than once. */
  stop(): Promise<void>;
}

const NAME = 'dragon-mcp-gateway';
const TITLE = 'Dragon MCP Gateway';

/** Enough for a client that lost its connection for a minute; small enough for thousands of sessions. */
const STREAM_LOG = { maxSize: 262_144, keepMs: 60_000 };

/** Builds the gateway and opens its ports. The only place that knows which part is made of what. */
export async function startGateway(config: Config, logger: Logger): Promise<RunningGateway> {
  const version = packageVersion();
  const started = new Date().toISOString();
  const readiness = new NodeReadiness();
  const metrics = createMetrics({ version, nodeId: config.nodeId });
  const running: RunningServer[] = [];
  let core: Core | undefined;
  let database: Database | undefined;

  const stop = once(async () => {
    readiness.drain();
    logger.info('stopping');
    core?.sessions.disconnect();
    await Promise.all(running.map((server) => server.close(config.shutdownTimeoutMs)));
    core?.sessions.close();
    core?.streams.close();
    await core?.close();
    await database?.close();
    await metrics.shutdown();
    logger.info('stopped');
  });

  const urlOf = (port: number) =>
    `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`;
  let mcpAddress = '';
  try {
    // First of all: whoever watches the start is told that it is under way.
    const ops = await startOpsServer({
      host: config.host,
      port: config.managementPort,
      readiness: () => readiness.check(),
      members: async () => [
        {
          id: config.nodeId,
          address: mcpAddress,
          version,
          started,
          sessions: core?.sessions.size ?? 0,
          streams: core?.sessions.streams ?? 0,
          state: readiness.state,
        },
      ],
      metrics,
      logger,
      allowedHosts: config.allowedHosts,
    });
    running.push(ops);
    database = await openDatabase(config);
    const parts = createCore(config, logger, database, version, readiness, metrics);
    core = parts;
    const guard = createGuard({
      boundHost: config.host,
      allowedHosts: config.allowedHosts,
      allowedOrigins: config.allowedOrigins,
    });
    const app = createMcpApp({
      endpoint: parts.endpoint,
      sse: parts.sse,
      guard,
      readiness: () => readiness.check(),
    });
    const mcp = await startMcpServer({ host: config.host, port: config.mcpPort, app });
    running.push(mcp);
    mcpAddress = new URL(urlOf(mcp.port)).host;
    const routes = createManagementRoutes({
      servers: parts.manager,
      principalOf: async () => LOCAL_PRINCIPAL,
      readiness: () => readiness.check(),
      logger,
    });
    const management = await startManagementServer({
      host: config.host,
      port: config.grpcPort,
      routes,
      readiness: () => readiness.check(),
      logger,
      maxBodyBytes: config.maxBodyBytes,
      allowedHosts: config.allowedHosts,
      allowedOrigins: config.allowedOrigins,
    });
    running.push(management);
    const opened = database;
    readiness.serve(() => opened.ping());
    return {
      urls: { mcp: `${urlOf(mcp.port)}/mcp`, management: urlOf(management.port), ops: urlOf(ops.port) },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Core {
  readonly endpoint: McpEndpoint;
  readonly sse: SseEndpoint | undefined;
  readonly manager: CatalogServerManager;
  readonly sessions: Sessions;
  readonly streams: EventStreams;
  close(): Promise<void>;
}

function createCore(
  config: Config,
  logger: Logger,
  database: Database,
  version: string,
  readiness: NodeReadiness,
  metrics: Metrics,
): Core {
  const registry = new ServerRegistry(database.servers);
  const gateway = { name: NAME, version, nodeId: config.nodeId };
  const connector = new TransportConnector({
    identity: { name: NAME, version },
    logger,
    stdioAllowed: config.stdioAllowed,
    builtin: (server) =>
      new BuiltinLink(server, { gateway, snapshot: (owner) => catalogs.operatorView(owner).snapshot() }),
    connectTimeoutMs: config.connectTimeoutMs,
    handshakeTimeoutMs: config.listTimeoutMs,
    stdioStartTimeoutMs: config.stdioStartTimeoutMs,
    stdioIdleMs: config.stdioIdleMs,
    maxMessageBytes: config.maxDownstreamMessageBytes,
  });
  const catalogs = new Catalogs({
    registry,
    connector,
    logger,
    builtin: config.builtinTools ? (owner: Owner) => builtinServer(owner) : undefined,
    listTimeoutMs: config.listTimeoutMs,
    ttlMs: config.catalogTtlMs,
    pageSize: config.pageSize,
  });
  const ownDeadlines: Deadlines = { idleMs: config.listTimeoutMs, totalMs: config.listTimeoutMs };
  const breakers = new Breakers();
  const router = new Router({
    catalogs,
    connector,
    logger,
    identity: { name: NAME, title: TITLE, version },
    deadlines: { idleMs: config.callTimeoutMs, totalMs: config.callMaxTimeoutMs },
    ownDeadlines,
    maxJsonDepth: config.maxJsonDepth,
    breakers,
    metrics,
  });
  registry.onChange(({ before }) => {
    if (before === undefined) return;
    router.dropServer(before.id);
    void connector.drop(before.id);
  });
  const sessions = new Sessions({
    idleMs: config.sessionIdleMs,
    log: STREAM_LOG,
    onEnd: (session) => router.end(session),
  });
  const streams = new EventStreams();
  const endpointOptions: EndpointOptions = {
    sessions,
    router,
    streams,
    logger,
    authenticate: () => LOCAL_PRINCIPAL,
    maxBodyBytes: config.maxBodyBytes,
    maxJsonDepth: config.maxJsonDepth,
    isDraining: () => readiness.isDraining,
  };
  const endpoint = new McpEndpoint(endpointOptions);
  const manager = new CatalogServerManager({
    registry,
    catalogs,
    connector,
    breakers,
    listTimeoutMs: config.listTimeoutMs,
    stdioOff: config.stdioAllowed ? undefined : STDIO_OFF,
  });
  metrics.observe({
    sessions: () => sessions.size,
    streams: () => sessions.streams,
    stdioProcesses: () => connector.processCount,
  });
  return {
    endpoint,
    sse: config.sseEndpoint ? new SseEndpoint(endpointOptions) : undefined,
    manager,
    sessions,
    streams,
    close: async () => {
      router.close();
      await catalogs.close();
      await connector.close();
    },
  };
}

function once(action: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => {
    done ??= action();
    return done;
  };
}
