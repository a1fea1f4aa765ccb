import type {
  EndedSession,
  ListedSession,
  LoadedSession,
  SessionList,
  SessionStore,
  SessionsOf,
  StoredLink,
  StoredSession,
} from '../session-store.ts';
import type { MemoryHub } from './hub.ts';
import { SessionRecord } from './session-record.ts';

export class MemorySessionStore implements SessionStore {
  readonly #hub: MemoryHub;

  constructor(hub: MemoryHub) {
    this.#hub = hub;
  }

  async create(session: StoredSession, nodeId: string, ttlMs: number): Promise<void> {
    this.#hub.addSession(new SessionRecord(session, nodeId, Date.now() + ttlMs));
  }

  async load(id: string, nodeId: string, ttlMs: number): Promise<LoadedSession | undefined> {
    const record = this.#hub.session(id);
    if (record === undefined) return undefined;
    if (!record.nodes.includes(nodeId)) record.nodes = [...record.nodes, nodeId];
    record.expiresAt = Date.now() + ttlMs;
    return toLoaded(record);
  }

  async peek(id: string): Promise<LoadedSession | undefined> {
    const record = this.#hub.session(id);
    return record && toLoaded(record);
  }

  async touch(ids: readonly string[], ttlMs: number): Promise<readonly string[]> {
    const gone: string[] = [];
    for (const id of ids) {
      const record = this.#hub.session(id);
      if (record === undefined) gone.push(id);
      else record.expiresAt = Date.now() + ttlMs;
    }
    return gone;
  }

  async unload(id: string, nodeId: string): Promise<boolean> {
    const record = this.#hub.session(id);
    if (record?.nodes.includes(nodeId) !== true) return false;
    record.nodes = record.nodes.filter((node) => node !== nodeId);
    return record.nodes.length === 0;
  }

  async setLogLevel(id: string, level: string): Promise<void> {
    const record = this.#hub.session(id);
    if (record !== undefined) record.logLevel = level;
  }

  async setSubscription(id: string, serverId: string, uri: string, on: boolean): Promise<void> {
    const subscriptions = this.#hub.session(id)?.subscriptions;
    if (subscriptions === undefined) return;
    const uris = subscriptions.get(serverId) ?? new Set();
    if (on) uris.add(uri);
    else uris.delete(uri);
    if (uris.size > 0) subscriptions.set(serverId, uris);
    else subscriptions.delete(serverId);
  }

  async claimLink(
    id: string,
    link: StoredLink,
    replaces: StoredLink | undefined,
  ): Promise<StoredLink | undefined> {
    const links = this.#hub.session(id)?.links;
    if (links === undefined) return undefined;
    const stored = links.get(link.serverId);
    const keeps = stored !== undefined && (replaces === undefined || replaces.sessionId !== stored.sessionId);
    if (keeps) return clone(stored);
    links.set(link.serverId, clone(link));
    return clone(link);
  }

  async dropLink(id: string, serverId: string): Promise<void> {
    this.#hub.session(id)?.links.delete(serverId);
  }

  async delete(id: string): Promise<EndedSession | undefined> {
    const record = this.#hub.session(id);
    return record && this.#end(record);
  }

  async retire(withinMs: number, limit: number): Promise<readonly EndedSession[]> {
    return this.#hub
      .overdueSessions(withinMs)
      .slice(0, limit)
      .map((record) => this.#end(record));
  }

  async list(of: SessionsOf, after: string | undefined, limit: number): Promise<SessionList> {
    const all = this.#of(of).sort((a, b) => (a.mark < b.mark ? -1 : 1));
    const rest = after === undefined ? all : all.filter(({ mark }) => mark > after);
    const items = rest.slice(0, limit);
    const last = items.at(-1);
    const isLast = last === undefined || items.length === rest.length;
    return { items: items.map(toListed), total: all.length, ...(isLast ? {} : { next: last.mark }) };
  }

  async find(tenantId: string, mark: string): Promise<ListedSession | undefined> {
    const record = this.#of({ tenantId }).find((candidate) => candidate.mark === mark);
    return record && toListed(record);
  }

  async nodesOf(id: string): Promise<readonly string[]> {
    return this.#hub.session(id)?.nodes ?? [];
  }

  #of({ tenantId, userId }: SessionsOf): SessionRecord[] {
    const found: SessionRecord[] = [];
    for (const record of this.#hub.sessions()) {
      if (record.tenantId === tenantId && (userId === undefined || record.userId === userId))
        found.push(record);
    }
    return found;
  }

  #end(record: SessionRecord): EndedSession {
    this.#hub.deleteSession(record.id);
    return { nodes: record.nodes, loaded: toLoaded(record) };
  }
}

function toListed({ session, mark, nodes, holder, expiresAt }: SessionRecord): ListedSession {
  const leftMs = Math.max(0, expiresAt - Date.now());
  return { session, mark, nodes, leftMs, ...(holder === undefined ? {} : { holder }) };
}

function toLoaded(record: SessionRecord): LoadedSession {
  const subscriptions = [...record.subscriptions].map(([serverId, uris]) => [serverId, [...uris]] as const);
  return {
    session: record.session,
    logLevel: record.logLevel,
    links: [...record.links.values()].map(clone),
    subscriptions: Object.fromEntries(subscriptions),
  };
}

/** Through JSON, so that only that survives here which survives in Redis. */
function clone<T>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}
