import { Admission } from './admission/admission.ts';
import type { Owner } from './auth/principal.ts';
import type { Authentication } from './authentication.ts';
import { Catalogs } from './catalog/catalogs.ts';
import { CatalogServerManager } from './catalog/manager.ts';
import { ServerProbes } from './catalog/probes.ts';
import { ServerRegistry } from './catalog/registry.ts';
import { CatalogSharing } from './catalog/sharing.ts';
import type { Config } from './config.ts';
import type { Coordination } from './coordination/coordination.ts';
import type { Database } from './db/database.ts';
import { Breakers } from './downstream/breaker.ts';
import { STDIO_OFF, TransportConnector } from './downstream/connector.ts';
import { OwnedConnector } from './downstream/owned-connector.ts';
import { type Deadlines, downstreamServer } from './downstream/port.ts';
import { EventStreams } from './edge/event-stream.ts';
import { KeyStreams } from './edge/key-streams.ts';
import { type EndpointOptions, McpEndpoint } from './edge/mcp-endpoint.ts';
import { ModernEndpoint } from './edge/modern-endpoint.ts';
import { SseEndpoint } from './edge/sse-endpoint.ts';
import { Taps } from './edge/taps.ts';
import { type EventRecording, serverEvent } from './event-recording.ts';
import type { Foundation } from './foundation.ts';
import type { Work } from './jobs/schedules.ts';
import { Limits } from './limits/limits.ts';
import { NetworkGuard } from './networks/guard.ts';
import type { GatewayClient } from './oauth/client-identity.ts';
import { createOutgoingLogins, type OutgoingLogins } from './oauth/index.ts';
import type { Policy } from './policy/policy.ts';
import { createRequestStates } from './protocol/modern/request-state.ts';
import type { NodeReadiness } from './readiness.ts';
import { Recorder } from './recording/recorder.ts';
import { BuiltinLink, builtinServer } from './router/builtin-link.ts';
import { ModernRouter } from './router/modern-router.ts';
import { closeOrphanLinks } from './router/orphan-links.ts';
import { Router } from './router/router.ts';
import { RunningCalls } from './router/running-calls.ts';
import { Wants } from './router/wants.ts';
import { SessionDirectory } from './session/directory.ts';
import { type RetireOptions, retireSessions } from './session/retire.ts';
import { Sessions } from './session/sessions.ts';
import { Takeover } from './session/takeover.ts';
import type { Logger, Metrics, Tracing } from './telemetry/types.ts';

const NAME = 'dragon-mcp-gateway';
export const TITLE = 'Dragon MCP Gateway';

/** Enough for a client that lost its connection for a minute; small enough for thousands of sessions. */
const STREAM_LOG = { maxSize: 262_144, keepMs: 60_000 };

/** What came of a probe is known for so many of its intervals. */
const PROBES_KEPT = 3;

/** Each holds a session with its server. */
const PARKED_CALLS = { maxParked: 2000, maxParkedOfOne: 200 };

/** What a node does, apart from its ports. */
export interface Core {
  readonly admission: Admission;
  readonly endpoint: McpEndpoint;
  readonly sse: SseEndpoint | undefined;
  readonly manager: CatalogServerManager;
  readonly logins: OutgoingLogins['logins'];
  readonly browserLogins: OutgoingLogins['browserLogins'];
  readonly catalogs: Catalogs;
  readonly connector: OwnedConnector;
  readonly sessions: Sessions;
  readonly directory: SessionDirectory;
  readonly recorder: Recorder;
  readonly work: Work;
  /** Requests of clients that are not answered. */
  inFlight(): number;
  /** Ends them, each with an answer that says why. */
  cut(): void;
  /** Closes the streams that belong to no request here: their clients come back. */
  disconnect(): void;
  close(): Promise<void>;
}

/** What the core is made of, and what stands before it. */
export interface CoreParts {
  readonly config: Config;
  readonly logger: Logger;
  readonly foundation: Foundation;
  readonly database: Database;
  readonly coordination: Coordination;
  readonly version: string;
  readonly readiness: NodeReadiness;
  readonly metrics: Metrics;
  /** Undefined: nothing is traced. */
  readonly tracing: Tracing | undefined;
  readonly auth: Authentication;
  readonly policy: Policy | undefined;
  readonly recording: EventRecording;
  /** The gateway as others see it from outside. */
  readonly gatewayClient: () => GatewayClient;
}

/** Puts together what serves requests. */
export function createCore(parts: CoreParts): Core {
  const { config, logger, foundation, database, coordination, recording, metrics } = parts;
  const { version, readiness, tracing, auth, policy, gatewayClient } = parts;
  const registry = new ServerRegistry(database.servers, coordination.bus);
  const gateway = { name: NAME, version, nodeId: config.nodeId };
  const networks = new NetworkGuard(config.allowedNetworks);
  const outgoing = createOutgoingLogins({
    logins: database.logins,
    bus: coordination.bus,
    networks,
    gateway: gatewayClient,
    servers: registry,
    subjects: auth.subjectTokens,
    exchangeIssuers: config.tokenExchangeIssuers ?? config.jwtIssuers?.map(({ issuer }) => issuer) ?? [],
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
    noteEra: ({ id, owner, lender = owner, name: server, revision }, era) => {
      logger.info('what a server speaks was found out', { server, era });
      registry.noteEra(lender, id, revision, era).catch(() => {
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
    tracing,
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
  auth.subjectTokens.onArrival((owner) => catalogs.callerCame(owner));
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
    tracing,
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
  const keyStreams = new KeyStreams();
  const endKey = (keyId: string) => {
    keyStreams.end(keyId);
    sessions.endOf(keyId);
    modern.endOf(keyId);
  };
  auth.apiKeys.onRevoked((keyId) => {
    if (keyId !== undefined) return endKey(keyId);
    // News may have been lost: those in use are asked about.
    for (const id of new Set([...keyStreams.keyIds, ...sessions.keyIds, ...modern.keyIds]))
      void auth.apiKeys.isGood(id).then((isGood) => isGood || endKey(id));
  });
  const directory = new SessionDirectory({
    store: coordination.sessions,
    bus: coordination.bus,
    sessions,
    idleMs: config.sessionIdleMs,
  });
  const recorder = new Recorder({ store: coordination.recordings, bus: coordination.bus, logger });
  if (config.logBodies)
    logger.warn('what users ask and get is logged at the level debug (DRAGON_LOG_BODIES)');
  const taps = new Taps({ recorder, logger, logsBodies: config.logBodies });
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
    modern: new ModernEndpoint({ router: modern, streams, taps }),
    streams,
    keyStreams,
    admission,
    taps,
    logger,
    metrics,
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
    catalogAges: () => catalogs.ages(),
    forwards: () => connector.forwards,
  });
  return {
    admission,
    endpoint,
    sse: config.sseEndpoint ? new SseEndpoint(endpointOptions) : undefined,
    manager,
    logins: outgoing.logins,
    browserLogins: outgoing.browserLogins,
    catalogs,
    connector,
    sessions,
    directory,
    recorder,
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
      directory.close();
      recorder.close();
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
