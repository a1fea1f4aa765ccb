import type { TestContext } from 'node:test';
import { createManagementRoutes } from '../../src/admin/routes.ts';
import { ApiKeys } from '../../src/auth/api-keys.ts';
import type { Bus } from '../../src/coordination/bus.ts';
import { createMemoryCoordination } from '../../src/coordination/memory/index.ts';
import type { SessionStore } from '../../src/coordination/session-store.ts';
import type { LoginRepository } from '../../src/db/oauth-record.ts';
import { type ManagementServerOptions, startManagementServer } from '../../src/edge/management-server.ts';
import { NO_EVENTS } from '../../src/events/event.ts';
import { Changes } from '../../src/oauth/changes.ts';
import { Logins } from '../../src/oauth/logins.ts';
import { Code, GatewayError } from '../../src/protocol/errors.ts';
import { Recorder } from '../../src/recording/recorder.ts';
import { SessionDirectory } from '../../src/session/directory.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { RecordedEvents } from '../support/events.ts';
import { recordingLogger } from '../support/fakes.ts';
import { MemoryApiKeys } from '../support/memory-api-keys.ts';
import { MemoryEvents } from '../support/memory-events.ts';
import { FakeServers, principalOfTestHeader } from './management-fake.ts';

export interface StartedManagement {
  readonly servers: FakeServers;
  readonly apiKeys: ApiKeys;
  readonly sessions: SessionStore;
  readonly recorder: Recorder;
  /** What is kept, for who asks; and what the management port has told. */
  readonly eventStore: MemoryEvents;
  readonly events: RecordedEvents;
  readonly port: number;
  readonly url: string;
  readonly readiness: { ready: boolean; reasons: string[] };
  /** Lines logged so far. */
  readonly logged: readonly string[];
  close(graceMs: number): Promise<void>;
}

/** The management server over servers in memory, on a free port, closed with the test. */
export async function startManagement(
  context: TestContext,
  options: Partial<ManagementServerOptions> = {},
): Promise<StartedManagement> {
  const servers = new FakeServers();
  const eventStore = new MemoryEvents();
  const events = new RecordedEvents();
  const readiness = { ready: true, reasons: [] as string[] };
  const logged: string[] = [];
  const logger = createLogger({
    level: 'info',
    format: 'json',
    node: 'test',
    destination: { write: (line: string) => void logged.push(line) },
  });
  const { bus, members, recordings, sessions: store } = createMemoryCoordination({ nodeId: 'test', logger });
  const recorder = new Recorder({ store: recordings, bus, logger });
  context.after(() => recorder.close());
  const sessions = {
    inHand: () => undefined,
    endStored: async (id: string) => void (await store.delete(id)),
  };
  const directory = new SessionDirectory({ store, bus, sessions, idleMs: 60_000 });
  const apiKeys = new ApiKeys(new MemoryApiKeys(), bus, () => undefined);
  const server = await startManagementServer({
    host: '127.0.0.1',
    port: 0,
    routes: createManagementRoutes({
      servers,
      apiKeys,
      eventStore,
      reseal: async () => ({ resealed: 0, unreadable: 0 }),
      events,
      logins: noLogins(bus),
      members,
      sessions: directory,
      recorder,
      nodeId: 'test',
      principalOf: principalOfTestHeader,
      readiness: () => readiness,
      logger,
    }),
    readiness: () => readiness,
    logger,
    maxBodyBytes: 64 * 1024,
    ...options,
  });
  let closed: Promise<void> | undefined;
  const close = (graceMs: number) => {
    closed ??= server.close(graceMs);
    return closed;
  };
  context.after(() => close(0));
  return {
    servers,
    apiKeys,
    sessions: store,
    recorder,
    eventStore,
    events,
    readiness,
    logged,
    close,
    port: server.port,
    url: `http://127.0.0.1:${server.port}`,
  };
}

/** Log-ins of which there are none, to servers that are not there. */
function noLogins(bus: Bus): Logins {
  const nothing = () => Promise.reject(new GatewayError(Code.Unavailable, 'There are no log-ins here'));
  const none = async () => [];
  return new Logins({
    events: NO_EVENTS,
    logins: new Proxy({} as LoginRepository, { get: (_, name) => (name === 'ofServer' ? none : nothing) }),
    changes: new Changes(bus),
    fetch: nothing,
    gateway: () => ({ name: 'test', publicUrl: 'http://127.0.0.1:1' }),
    servers: { used: nothing, touch: nothing },
    logger: recordingLogger(),
  });
}
