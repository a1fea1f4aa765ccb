import type { TestContext } from 'node:test';
import { Admission, type AdmissionOptions } from '../../src/admission/admission.ts';
import type { Principal } from '../../src/auth/principal.ts';
import { Catalogs } from '../../src/catalog/catalogs.ts';
import { ServerRegistry } from '../../src/catalog/registry.ts';
import { createMemoryCoordination } from '../../src/coordination/memory/index.ts';
import type { ServerRecord, ServerRepository } from '../../src/db/server-record.ts';
import { Breakers } from '../../src/downstream/breaker.ts';
import type { ServerHandshake } from '../../src/downstream/port.ts';
import type { Limits } from '../../src/limits/limits.ts';
import type { Policy } from '../../src/policy/policy.ts';
import type { RequestMessage } from '../../src/protocol/envelope.ts';
import { BuiltinLink, builtinServer } from '../../src/router/builtin-link.ts';
import { Router } from '../../src/router/router.ts';
import { RunningCalls } from '../../src/router/running-calls.ts';
import { FRESH, Session } from '../../src/session/session.ts';
import type { Metrics } from '../../src/telemetry/types.ts';
import { RecordedEvents } from './events.ts';
import {
  FakeConnector,
  FakeLink,
  fakeRecord,
  listing,
  OWNER,
  RecordingSink,
  type Respond,
  recordingLogger,
  request,
  turnsUntil,
} from './fakes.ts';

/** A server behind the core: what it lists, and what it does with everything else. */
export interface CoreServer {
  readonly tools?: readonly string[];
  /** Of tools, by name. */
  readonly annotations?: Readonly<Record<string, object>>;
  readonly prompts?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceTemplates?: readonly string[];
  readonly respond?: Respond;
  readonly handshake?: Partial<ServerHandshake>;
  readonly record?: Partial<ServerRecord>;
  /** Thrown in place of opening a link. */
  readonly down?: Error;
}

const GATEWAY = { name: 'gateway', version: '1.2.3', nodeId: 'n1' };

/** Router, catalogs and built-in tools as the gateway composes them, over servers that are functions. */
export async function startCore(
  t: TestContext,
  servers: Readonly<Record<string, CoreServer>> = {},
  {
    isShared = false,
    limits = {},
    policy,
    callLimits,
  }: { isShared?: boolean; limits?: Partial<AdmissionOptions>; policy?: Policy; callLimits?: Limits } = {},
) {
  const coordination = createMemoryCoordination({ nodeId: 'n1' });
  const logger = recordingLogger();
  const records = Object.entries(servers).map(([id, { record }], index) =>
    fakeRecord(id, { ordinal: index + 1, ...record }),
  );
  const registry = new ServerRegistry(
    { all: async () => records, shared: async () => [] } as Partial<ServerRepository> as ServerRepository,
    coordination.bus,
  );
  /** By server: one link for its catalog, one for the session, in the order they were opened. */
  const links = new Map<string, FakeLink[]>();
  const connector = new FakeConnector((server) => {
    if (server.target.kind === 'builtin') {
      return new BuiltinLink(server, { gateway: GATEWAY });
    }
    const known = servers[server.id] ?? {};
    if (known.down !== undefined) throw known.down;
    const link = new FakeLink(server, (asked, sink) => respond(known, asked, sink), {
      capabilities: capabilitiesOf(known),
      ...known.handshake,
    });
    links.set(server.id, [...(links.get(server.id) ?? []), link]);
    return link;
  });
  const catalogs: Catalogs = new Catalogs({
    registry,
    checks: coordination.catalogs,
    connector,
    logger,
    builtin: builtinServer,
    listTimeoutMs: 5000,
    ttlMs: 60_000,
    pageSize: 1000,
    policy,
  });
  const counted: { readonly method: string; readonly outcome: string }[] = [];
  const metrics: Metrics = {
    request: (method, outcome) => counted.push({ method, outcome }),
    overhead: () => {},
    management: () => {},
    downstream: () => {},
    store: () => {},
    job: () => {},
    requestStateRefused: () => {},
    limited: () => {},
    replayed: () => {},
    repeated: () => {},
    observe: () => {},
    scrape: async () => '',
    shutdown: async () => {},
  };
  const events = new RecordedEvents();
  const elsewhere: string[] = [];
  const running = isShared ? new RunningCalls(coordination.calls) : undefined;
  const admission = new Admission({
    maxInFlight: 1000,
    maxInFlightOfOne: 1000,
    maxStreamsOfOne: 1000,
    maxTurnMs: 0,
    ...limits,
  });
  const router = new Router({
    catalogs,
    connector,
    store: coordination.sessions,
    logger,
    admission,
    limits: callLimits,
    breakers: new Breakers({ failures: 1000, pauseMs: 1000, maxInFlight: 1000 }),
    metrics,
    events,
    identity: { name: 'gateway', title: 'Gateway', version: '1.2.3' },
    deadlines: { idleMs: 60_000, totalMs: 600_000 },
    ownDeadlines: { idleMs: 5000, totalMs: 5000 },
    maxJsonDepth: 128,
    running,
    journal: coordination.calls,
    tellLinked: () => {},
    tellWants: async () => {},
    cancelElsewhere: (_session, key) => elsewhere.push(key),
  });
  const hello = { protocolVersion: '2025-11-25', clientInfo: {}, capabilities: {} } as const;
  const newSession = (id: string, principal: Principal) =>
    new Session(
      id,
      principal,
      hello,
      { ...FRESH, streamKey: 'key' },
      {
        limits: { maxSize: 10_000, keepMs: 1000 },
        log: coordination.streams,
        bus: coordination.bus,
        logger,
        onMoved: (moved) => router.unlisten(moved),
      },
    );
  const session = newSession('s1', { ...OWNER, roles: ['user'] });
  const stored = { id: 's1', ...OWNER, roles: [], ...hello, createdAt: 0 };
  await coordination.sessions.create(stored, 'n1', 3_600_000);
  t.after(async () => {
    router.gone(session, undefined);
    router.close();
    running?.close();
    await catalogs.close();
    registry.close();
    await coordination.close();
  });

  /** Sends a request and does not wait. */
  function send(message: RequestMessage): RecordingSink {
    const sink = new RecordingSink();
    router.request(session, message, sink);
    return sink;
  }

  return {
    router,
    admission,
    session,
    newSession,
    store: coordination.sessions,
    journal: coordination.calls,
    logger,
    counted,
    elsewhere,
    catalogs,
    send,
    /** The session's link to a server. */
    link: (id: string) => links.get(id)?.at(-1),
    /** Sends a request and waits for what becomes of it. */
    async ask(message: RequestMessage): Promise<RecordingSink> {
      const sink = send(message);
      await turnsUntil(
        () => sink.answers.length + sink.failures.length > 0,
        `an answer to ${message.method}`,
      );
      return sink;
    },
    async call(name: string, args: unknown = {}, id: string | number = 1): Promise<RecordingSink> {
      return this.ask(request('tools/call', { name, arguments: args }, id));
    },
  };
}

function capabilitiesOf(server: CoreServer): Record<string, unknown> {
  return {
    ...(server.tools === undefined ? {} : { tools: {} }),
    ...(server.prompts === undefined ? {} : { prompts: {} }),
    ...(server.resources === undefined && server.resourceTemplates === undefined ? {} : { resources: {} }),
  };
}

function respond(
  server: CoreServer,
  asked: RequestMessage,
  sink: RecordingSink | Parameters<Respond>[1],
): string | undefined {
  const named = (keyName: string, more: object, keys: readonly string[] = []) =>
    keys.map((key) => JSON.stringify({ name: 'n', ...more, [keyName]: key }));
  if (asked.method.endsWith('/list') && asked.method !== 'tasks/list') {
    return listing({
      tools: () =>
        (server.tools ?? []).map((name) => {
          const annotations = server.annotations?.[name];
          return JSON.stringify({
            name,
            inputSchema: { type: 'object' },
            ...(annotations && { annotations }),
          });
        }),
      prompts: () => named('name', {}, server.prompts),
      resources: () => named('uri', {}, server.resources),
      resourceTemplates: () => named('uriTemplate', {}, server.resourceTemplates),
    })(asked, sink);
  }
  return server.respond?.(asked, sink);
}
