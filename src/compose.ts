import { networkInterfaces } from 'node:os';
import { createManagementRoutes } from './admin/routes.ts';
import { Admission } from './admission/admission.ts';
import { advertisedAddress } from './advertised-address.ts';
import type { Owner } from './auth/principal.ts';
import { type Authentication, createAuthentication } from './authentication.ts';
import { Catalogs } from './catalog/catalogs.ts';
import { CatalogServerManager } from './catalog/manager.ts';
import { ServerProbes } from './catalog/probes.ts';
import { ServerRegistry } from './catalog/registry.ts';
import { CatalogSharing } from './catalog/sharing.ts';
import type { Config } from './config.ts';
import type { Coordination } from './coordination/coordination.ts';
import { Heartbeat } from './coordination/heartbeat.ts';
import type { Database } from './db/database.ts';
import { Breakers } from './downstream/breaker.ts';
import { STDIO_OFF, TransportConnector } from './downstream/connector.ts';
import { OwnedConnector } from './downstream/owned-connector.ts';
import { type Deadlines, downstreamServer } from './downstream/port.ts';
import { EventStreams } from './edge/event-stream.ts';
import { createGuard } from './edge/guard.ts';
import { startManagementServer } from './edge/management-server.ts';
import { createMcpApp } from './edge/mcp-app.ts';
import { type EndpointOptions, McpEndpoint } from './edge/mcp-endpoint.ts';
import { McpHandler } from './edge/mcp-handler.ts';
import { type RunningServer, startMcpServer } from './edge/mcp-server.ts';
import { ModernEndpoint } from './edge/modern-endpoint.ts';
import { createOAuthApp } from './edge/oauth-app.ts';
import { SseEndpoint } from './edge/sse-endpoint.ts';
import { type EventRecording, nodeEvent, recordEvents, serverEvent } from './event-recording.ts';
import { type Foundation, ownFoundation } from './foundation.ts';
import type { Jobs } from './jobs/jobs.ts';
import { Runner } from './jobs/runner.ts';
import { schedules, type Work } from './jobs/schedules.ts';
import { Limits } from './limits/limits.ts';
import { NetworkGuard } from './networks/guard.ts';
import type { GatewayClient } from './oauth/client-identity.ts';
import { createOutgoingLogins, type OutgoingLogins } from './oauth/index.ts';
import { once } from './once.ts';
import { openPolicy } from './open-policy.ts';
import type { Policy } from './policy/policy.ts';
import { createRequestStates } from './protocol/modern/request-state.ts';
import { NodeReadiness } from './readiness.ts';
import { BuiltinLink, builtinServer } from './router/builtin-link.ts';
import { ModernRouter } from './router/modern-router.ts';
import { closeOrphanLinks } from './router/orphan-links.ts';
import { Router } from './router/router.ts';
import { RunningCalls } from './router/running-calls.ts';
import { Wants } from './router/wants.ts';
import { type RetireOptions, retireSessions } from './session/retire.ts';
import { Sessions } from './session/sessions.ts';
import { Takeover } from './session/takeover.ts';
import { drain } from './stop.ts';
import { createMetrics } from './telemetry/metrics.ts';
import type { Logger, Metrics } from './telemetry/types.ts';
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

const NAME = 'dragon-mcp-gateway';
const TITLE = 'Dragon MCP Gateway';

/** Enough for a client that lost its connection for a minute; small enough for thousands of sessions. */
const STREAM_LOG = { maxSize: 262_144, keepMs: 60_000 };

/** What came of a probe is known for so many of its intervals. */
const PROBES_KEPT = 3;

/** Probes and scrapers are soon done. */
const OPS_CLOSE_MS = 1000;

/** Each holds a session with its server. */
const PARKED_CALLS = { maxParked: 2000, maxParkedOfOne: 200 };

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
  const metrics = createMetrics({ version, nodeId: config.nodeId });
  const running: RunningServer[] = [];
  const coordination = await foundation.openCoordination();
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
    const opened = await foundation.openDatabase();
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
    const parts = createCore(
      config,
      logger,
      foundation,
      database,
      coordination,
      version,
      readiness,
      metrics,
      auth,
      policy,
      events,
      gateway,
    );
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
          logins: parts.logins,
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
        logins: parts.logins,
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

interface Core {
  readonly admission: Admission;
  readonly endpoint: McpEndpoint;
  readonly sse: SseEndpoint | undefined;
  readonly manager: CatalogServerManager;
  readonly logins: OutgoingLogins['logins'];
  readonly catalogs: Catalogs;
  readonly connector: OwnedConnector;
  readonly sessions: Sessions;
  readonly work: Work;
  /** Requests of clients that are not answered. */
  inFlight(): number;
  /** Ends them, each with an answer that says why. */
  cut(): void;
  /** Closes the streams that belong to no request here: their clients come back. */
  disconnect(): void;
  close(): Promise<void>;
}

function createCore(
  config: Config,
  logger: Logger,
  foundation: Foundation,
  database: Database,
  coordination: Coordination,
  version: string,
  readiness: NodeReadiness,
  metrics: Metrics,
  auth: Authentication,
  policy: Policy | undefined,
  recording: EventRecording,
  gatewayClient: () => GatewayClient,
): Core {
  const registry = new ServerRegistry(database.servers, coordination.bus);
  const gateway = { name: NAME, version, nodeId: config.nodeId };
  const networks = new NetworkGuard(config.allowedNetworks);
  const outgoing = createOutgoingLogins({
    logins: database.logins,
    bus: coordination.bus,
    networks,
    gateway: gatewayClient,
    servers: registry,
    events: recording.log,
    logger,
  });
  const transports = new TransportConnector({
    networks,
    credentials: outgoing.credentials,
    identity: { name: NAME, version },
    bus: coordination.bus,
    logger,
    stdioAllowed: config.stdioAllowed,
    builtin: (server) => new BuiltinLink(server, { gateway }),
    connectTimeoutMs: config.connectTimeoutMs,
    handshakeTimeoutMs: config.listTimeoutMs,
    stdioStartTimeoutMs: config.stdioStartTimeoutMs,
    stdioIdleMs: config.stdioIdleMs,
    maxMessageBytes: config.maxDownstreamMessageBytes,
    noteEra: ({ id, owner, name: server, revision }, era) => {
      logger.info('what a server speaks was found out', { server, era });
      registry.noteEra(owner, id, revision, era).catch(() => {
        // It is gone, only tried out, or the database is away: then it is asked again after the next start.
      });
    },
  });
  const connector = new OwnedConnector({
    local: transports,
    ...coordination,
    logger,
    startTimeoutMs: config.stdioStartTimeoutMs,
    find: async (owner, id, revision) => {
      const record = await registry.at(owner, id, revision);
      return record && downstreamServer(record);
    },
    onMoved: (server) => breakers.drop(server.id),
  });
  const catalogs = new Catalogs({
    registry,
    checks: coordination.catalogs,
    connector,
    logger,
    builtin: config.builtinTools ? (owner: Owner) => builtinServer(owner) : undefined,
    listTimeoutMs: config.listTimeoutMs,
    ttlMs: config.catalogTtlMs,
    pageSize: config.pageSize,
    policy,
    sharing: foundation.hasPeers
      ? new CatalogSharing({ ...coordination, store: coordination.catalogs, logger })
      : undefined,
  });
  // Alone, a gateway that dies leaves nobody who could go on.
  const running = foundation.hasPeers ? new RunningCalls(coordination.calls) : undefined;
  const ownDeadlines: Deadlines = { idleMs: config.listTimeoutMs, totalMs: config.listTimeoutMs };
  const breakers = new Breakers({
    failures: config.breakerFailures,
    pauseMs: config.breakerPauseMs,
    maxInFlight: config.maxInFlightPerServer,
    onChange: ({ name, owner }, reason) => {
      const action = reason === undefined ? 'breaker_closed' : 'breaker_opened';
      if (owner !== undefined) recording.log.append(serverEvent(owner, name, action, reason));
    },
  });
  const admission = new Admission({
    maxInFlight: config.maxInFlight,
    maxInFlightOfOne: config.maxInFlightPerPrincipal,
    maxStreamsOfOne: config.maxStreamsPerPrincipal,
    maxTurnMs: config.maxTurnMs,
  });
  admission.start();
  const limits =
    config.limits &&
    new Limits({
      ...coordination,
      settings: config.limits.settings,
      hasPeers: foundation.hasPeers,
      logger,
    });
  const exchangeOptions = {
    admission,
    limits,
    catalogs,
    connector,
    logger,
    identity: { name: NAME, title: TITLE, version },
    deadlines: { idleMs: config.callTimeoutMs, totalMs: config.callMaxTimeoutMs },
    ownDeadlines,
    maxJsonDepth: config.maxJsonDepth,
    breakers,
    metrics,
    events: recording.log,
  };
  const modern = new ModernRouter({
    ...exchangeOptions,
    modern: connector,
    bridge: {
      ...coordination,
      store: coordination.sessions,
      servers: (owner) => registry.all(owner),
      states: createRequestStates(foundation.fleetKeys),
      parkMs: config.parkTimeoutMs,
      ...PARKED_CALLS,
      refused: (why) => metrics.requestStateRefused(why),
    },
  });
  const router = new Router({
    ...exchangeOptions,
    store: coordination.sessions,
    running,
    journal: coordination.calls,
    tellLinked: (session) => {
      sessions.tellLinked(session).catch(() => {
        // The store is away: the server is listened to when the stream moves or is opened anew.
      });
    },
    tellWants: ({ id }) => wants.tell(id),
    cancelElsewhere: (session, key) => {
      sessions.cancelElsewhere(session, key).catch(() => {
        // The store is away: the call runs on until its deadline.
      });
    },
  });
  const wants = new Wants({
    bus: coordination.bus,
    store: coordination.sessions,
    changed: async (id) => {
      const session = sessions.inHand(id);
      if (session !== undefined) await router.wantsChanged(session);
    },
  });
  registry.onChange(({ serverId }) => {
    if (serverId === undefined) return;
    router.dropServer(serverId);
    modern.dropServer(serverId);
    void connector.drop(serverId);
  });
  const sessions = new Sessions({
    idleMs: config.sessionIdleMs,
    store: coordination.sessions,
    log: coordination.streams,
    bus: coordination.bus,
    logger,
    limits: STREAM_LOG,
    onGone: (session, links) => router.gone(session, links),
    onMoved: (session) => router.unlisten(session),
    onLinked: (session) => router.linked(session),
    events: recording.log,
  });
  const streams = new EventStreams();
  const takeover = new Takeover({
    bus: coordination.bus,
    members: coordination.members,
    find: (sessionId, streamId) => sessions.inHand(sessionId)?.requestStream(streamId),
  });
  const endpointOptions: EndpointOptions = {
    nodeId: config.nodeId,
    sessions,
    takeover,
    router,
    modern: new ModernEndpoint({ router: modern, streams }),
    streams,
    admission,
    logger,
    authenticate: auth.mcp,
    maxBodyBytes: config.maxBodyBytes,
    maxJsonDepth: config.maxJsonDepth,
    isAlone: !foundation.isOutlived,
    isDraining: () => readiness.isDraining,
    isLeaving: () => readiness.isLeaving,
  };
  const endpoint = new McpEndpoint(endpointOptions);
  const manager = new CatalogServerManager({
    registry,
    catalogs,
    connector,
    breakers,
    networks,
    listTimeoutMs: config.listTimeoutMs,
    stdioOff: config.stdioAllowed ? undefined : STDIO_OFF,
  });
  const { probeIntervalMs, sessionIdleMs } = config;
  const probes = new ServerProbes({
    servers: database.servers,
    connector,
    catalogs,
    store: coordination.catalogs,
    logger,
    // Asked a little before the next run, a server counts as asked.
    freshMs: (probeIntervalMs * 3) / 4,
    keepMs: PROBES_KEPT * Math.max(probeIntervalMs, config.catalogTtlMs),
    onChange: ({ owner, name }, error) =>
      recording.log.append(serverEvent(owner, name, error === undefined ? 'up' : 'down', error?.message)),
  });
  const orphans = { servers: (owner: Owner) => registry.all(owner), connector, logger };
  const retirement: RetireOptions = {
    idleMs: sessionIdleMs,
    store: coordination.sessions,
    bus: coordination.bus,
    events: recording.log,
    closeLinks: (owner, { capabilities }, links) => closeOrphanLinks(owner, capabilities, links, orphans),
  };
  const work: Work = {
    refreshCatalogs: () => catalogs.refreshStale(),
    probeServers: (signal) => probes.run(signal),
    retireSessions: async (signal) => {
      const count = await retireSessions(retirement, signal);
      if (count > 0) logger.info('sessions of nodes that have gone are ended', { count });
    },
    ...(recording.store === undefined ? {} : { keepEvents: () => recording.maintain() }),
  };
  const inFlight = () => sessions.inFlight + modern.inFlight;
  metrics.observe({
    sessions: () => sessions.size,
    streams: () => sessions.streams + modern.streams,
    parkedCalls: () => modern.parkedCalls,
    inFlight,
    admitted: () => admission.inFlight,
    refused: () => [...admission.refused, ['server_full', breakers.full]],
    refusalsWaiting: () => admission.refusals.waiting,
    overloaded: () => (admission.isShort ? 1 : 0),
    stdioProcesses: () => transports.processCount,
    breakers: () => breakers.states(),
  });
  return {
    admission,
    endpoint,
    sse: config.sseEndpoint ? new SseEndpoint(endpointOptions) : undefined,
    manager,
    logins: outgoing.logins,
    catalogs,
    connector,
    sessions,
    work,
    inFlight,
    cut: () => {
      sessions.cut(foundation.isOutlived);
      modern.cut();
    },
    disconnect: () => {
      admission.refusals.flush();
      streams.leave();
      sessions.disconnect();
      modern.disconnect();
      takeover.disconnect();
    },
    close: async () => {
      admission.close();
      streams.close();
      takeover.close();
      running?.close();
      router.close();
      wants.close();
      await modern.close();
      registry.close();
      await catalogs.close();
      await connector.close();
      await outgoing.close();
      await limits?.close();
    },
  };
}
