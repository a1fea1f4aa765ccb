import { networkInterfaces } from 'node:os';
import { createManagementRoutes } from './admin/routes.ts';
import { advertisedAddress } from './advertised-address.ts';
import { type Authentication, createAuthentication } from './authentication.ts';
import type { Config } from './config.ts';
import { Heartbeat } from './coordination/heartbeat.ts';
import { type Core, createCore, TITLE } from './core.ts';
import type { Database } from './db/database.ts';
import { createGuard } from './edge/guard.ts';
import { startManagementServer } from './edge/management-server.ts';
import { createMcpApp } from './edge/mcp-app.ts';
import { McpHandler } from './edge/mcp-handler.ts';
import { type RunningServer, startMcpServer } from './edge/mcp-server.ts';
import { createOAuthApp } from './edge/oauth-app.ts';
import { type EventRecording, nodeEvent, recordEvents } from './event-recording.ts';
import { type Foundation, ownFoundation } from './foundation.ts';
import type { Jobs } from './jobs/jobs.ts';
import { Runner } from './jobs/runner.ts';
import { schedules } from './jobs/schedules.ts';
import { once } from './once.ts';
import { openPolicy } from './open-policy.ts';
import { NodeReadiness } from './readiness.ts';
import { drain } from './stop.ts';
import { openReaders, openTracing } from './telemetry/export.ts';
import { createMetrics } from './telemetry/metrics.ts';
import type { Logger } from './telemetry/types.ts';
import { type Urls, urlsOf } from './urls.ts';
import { packageVersion } from './version.ts';

export interface RunningGateway {
  readonly urls: Urls;
  readonly ports: { readonly mcp: number; readonly management: number };
  /**
   * Lets what runs end, closes everything. `delayMs`: how long to go on as before, but for the answer that this node is
   * not ready. May be called more than once.
   */
  stop(delayMs?: number): Promise<void>;
}

/** Probes and scrapers are soon done. */
const OPS_CLOSE_MS = 1000;

/** Builds a node and opens its ports. The only place that knows which part is made of what, but for what is below it. */
export async function startGateway(
  config: Config,
  logger: Logger,
  foundation: Foundation = ownFoundation(config, logger),
): Promise<RunningGateway> {
  const policy = config.policy && (await openPolicy(config.policy.settings));
  const version = packageVersion();
  const started = new Date().toISOString();
  const readiness = new NodeReadiness();
  const readers = await openReaders(config, logger);
  const metrics = createMetrics({ ...config, version, ...(readers && { readers }) });
  const tracing = await openTracing(config, { version, nodeId: config.nodeId }, logger);
  const running: RunningServer[] = [];
  const coordination = await foundation.openCoordination(metrics.store);
  let core: Core | undefined;
  let database: Database | undefined;
  let authentication: Authentication | undefined;
  let recording: EventRecording | undefined;
  let ops: RunningServer | undefined;
  let jobs: Jobs | undefined;
  let mcpAddress = '';
  let mcpPort = config.mcpPort;

  const heartbeat = new Heartbeat(coordination.members, () => ({
    id: config.nodeId,
    address: mcpAddress,
    version,
    started,
    sessions: core?.sessions.size ?? 0,
    streams: core?.sessions.streams ?? 0,
    state: readiness.state,
  }));

  const stop = once(async (delayMs: number = 0) => {
    const { shutdownTimeoutMs: limitMs } = config;
    logger.info('stopping', { delayMs });
    if (core !== undefined) recording?.log.append(nodeEvent('draining'));
    core?.connector.drain(delayMs + limitMs);
    const retired = core?.catalogs.retire();
    const worked = jobs?.close(delayMs + limitMs);
    const drained = drain({
      readiness,
      ports: running,
      underWay: () => core?.inFlight() ?? 0,
      disconnect: () => core?.disconnect(),
      cut: () => core?.cut(),
      delayMs,
      limitMs,
    });
    void heartbeat.beat();
    await Promise.all([retired, worked, drained]);
    // In a cluster other nodes go on with them; alone there is nobody else.
    await core?.sessions.close(foundation.isOutlived);
    await core?.close();
    // Last of the ports: whoever watches the end is told that it is under way.
    await ops?.close(OPS_CLOSE_MS);
    authentication?.close();
    if (core !== undefined) recording?.log.append(nodeEvent('left'));
    await recording?.close();
    await heartbeat.stop();
    await coordination.close();
    await database?.close();
    await tracing?.shutdown();
    await metrics.shutdown();
    logger.info('stopped');
  });

  const isReady = () => readiness.check();
  const { host, allowedHosts, allowedOrigins, maxBodyBytes } = config;
  try {
    // First of all: whoever watches the start is told that it is under way.
    const members = () => coordination.members.list();
    ops = await foundation.openOps({ readiness: isReady, members, metrics });
    await heartbeat.beat();
    const opened = await foundation.openDatabase(metrics.store);
    database = opened;
    const events = recordEvents(config, { coordination, database, logger });
    recording = events;
    metrics.observe(events.gauges);
    const auth = await createAuthentication(config, {
      database,
      bus: coordination.bus,
      logger,
      events: events.log,
    });
    authentication = auth;
    const gateway = () => ({ name: TITLE, publicUrl: config.publicUrl ?? `http://127.0.0.1:${mcpPort}` });
    const parts = createCore({
      config,
      logger,
      foundation,
      database,
      coordination,
      version,
      readiness,
      metrics,
      tracing,
      auth,
      policy,
      recording: events,
      gatewayClient: gateway,
    });
    core = parts;
    const { endpoint, sse } = parts;
    const guard = createGuard({ boundHost: host, allowedHosts, allowedOrigins });
    const handler = new McpHandler({
      guard,
      isDraining: () => readiness.isDraining,
      known: (thrown) => endpoint.known(thrown),
    });
    const mcp = await startMcpServer({
      host,
      port: config.mcpPort,
      app: createMcpApp({
        endpoint,
        sse,
        handler,
        readiness: () => readiness.checkServing(),
        metadata: auth.metadata,
        logins: createOAuthApp({
          logins: parts.browserLogins,
          gateway,
          guard,
          hasUsers: config.auth.length > 0,
          proxy: config.auth.includes('proxy')
            ? { authenticate: auth.mcp, isAlone: config.auth.length === 1 }
            : undefined,
          logger,
        }),
      }),
      handler,
      endpoint,
      maxConnections: config.maxConnections,
      onDrop: () => parts.admission.count('connections_full'),
    });
    running.push(mcp);
    mcpPort = mcp.port;
    mcpAddress = advertisedAddress({
      advertised: config.advertiseAddress,
      host,
      port: mcp.port,
      interfaces: networkInterfaces(),
    });
    const management = await startManagementServer({
      host,
      port: config.grpcPort,
      routes: createManagementRoutes({
        servers: parts.manager,
        apiKeys: auth.apiKeys,
        eventStore: events.store,
        reseal: () => opened.reseal(),
        events: events.log,
        metrics,
        logins: parts.logins,
        members: coordination.members,
        sessions: parts.directory,
        recorder: parts.recorder,
        nodeId: config.nodeId,
        principalOf: (headers, remoteAddress) =>
          auth.management({ headers: Object.fromEntries(headers), remoteAddress }),
        readiness: isReady,
        logger,
      }),
      readiness: isReady,
      logger,
      maxBodyBytes,
      allowedHosts,
      allowedOrigins,
    });
    running.push(management);
    readiness.serve({
      'the database does not answer': () => opened.ping(),
      'the coordination store does not answer': () => coordination.ping(),
    });
    await heartbeat.beat();
    events.log.append(nodeEvent('joined', { version }));
    jobs = await foundation.openJobs(schedules(parts.work, config), new Runner({ logger, metrics }));
    const ports = { mcp: mcp.port, management: management.port };
    return { urls: urlsOf(host, { ...ports, ops: ops.port }), ports, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
