import { randomUUID } from 'node:crypto';
import type { Owner } from '../auth/principal.ts';
import type {
  Page,
  PageRequest,
  ServerPatch,
  ServerRecord,
  ServerSpec,
  ServerTarget,
} from '../db/server-record.ts';
import type { Breakers } from '../downstream/breaker.ts';
import { type Connector, downstreamServer } from '../downstream/port.ts';
import type { NetworkGuard } from '../networks/guard.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { namesModern } from '../protocol/modern/versions.ts';
import type { Catalogs } from './catalogs.ts';
import { checkTarget } from './check-target.ts';
import type { CatalogEntry } from './entry.ts';
import { fetchCatalog } from './fetch.ts';
import type { ServerRegistry } from './registry.ts';
import type { Route, Snapshot } from './snapshot.ts';
import type { PublicEntry, SeenEntries, ServerHealth, ServerManager, TestReport } from './types.ts';

export interface ManagerOptions {
  readonly registry: ServerRegistry;
  readonly catalogs: Catalogs;
  readonly connector: Connector;
  readonly breakers: Breakers;
  readonly networks: NetworkGuard;
  readonly listTimeoutMs: number;
  /** Why stdio servers can't be registered; undefined where they can. */
  readonly stdioOff: string | undefined;
}

/** {@link ServerManager} over the registry, the catalogs and the connector that MCP requests use as well. */
export class CatalogServerManager implements ServerManager {
  readonly #options: ManagerOptions;

  constructor(options: ManagerOptions) {
    this.#options = options;
  }

  create(owner: Owner, spec: ServerSpec): Promise<ServerRecord> {
    this.#check(spec.target);
    return this.#options.registry.create(owner, spec);
  }

  get(owner: Owner, id: string): Promise<ServerRecord> {
    return this.#options.registry.get(owner, id);
  }

  findByName(owner: Owner, name: string): Promise<ServerRecord> {
    return this.#options.registry.findByName(owner, name);
  }

  page(owner: Owner, request: PageRequest): Promise<Page<ServerRecord>> {
    return this.#options.registry.page(owner, request);
  }

  update(owner: Owner, id: string, patch: ServerPatch): Promise<ServerRecord> {
    if (patch.target !== undefined) this.#check(patch.target);
    return this.#options.registry.update(owner, id, patch);
  }

  delete(owner: Owner, id: string): Promise<void> {
    return this.#options.registry.delete(owner, id);
  }

  async test(owner: Owner, id: string, signal: AbortSignal): Promise<TestReport> {
    const record = await this.get(owner, id);
    // Without its secrets it would be another server that is tested.
    if (record.unreadable !== undefined) return { ok: false, error: record.unreadable, latencyMs: 0 };
    const startedAt = performance.now();
    const latencyMs = () => Math.round((performance.now() - startedAt) * 10) / 10;
    // Under an id of its own, so that a process is started anew, and no other, in use or tested too, is ended with it.
    // What it was found to speak before is not believed.
    const { era: _, ...server } = downstreamServer(record);
    const probe = { ...server, id: `${record.id}#test-${randomUUID()}` };
    const listener = { message: () => {}, restarted: () => {} };
    try {
      const link = await this.#options.connector.open(probe, { clientCapabilities: {}, listener, signal });
      const handshakeMs = latencyMs();
      const catalog = await fetchCatalog(link, { listTimeoutMs: this.#options.listTimeoutMs, signal });
      await link.close();
      const { protocolVersion, serverInfo, capabilities, tools } = catalog;
      return {
        ok: true,
        era: namesModern(protocolVersion) ? 'modern' : 'legacy',
        protocolVersion,
        serverInfo,
        capabilities,
        toolCount: tools.length,
        latencyMs: handshakeMs,
      };
    } catch (thrown) {
      const error = GatewayError.from(thrown);
      if (error.code === Code.Internal) throw error;
      return { ok: false, error: error.message, latencyMs: latencyMs() };
    } finally {
      await this.#options.connector.drop(probe.id);
    }
  }

  refresh(owner: Owner, id: string): Promise<SeenEntries> {
    return this.#see(owner, id, true);
  }

  seen(owner: Owner, id: string): Promise<SeenEntries> {
    return this.#see(owner, id, false);
  }

  async health(record: ServerRecord): Promise<ServerHealth> {
    const { id, unreadable } = record;
    const breaker = this.#options.breakers.state(id);
    if (unreadable !== undefined) return { state: 'failing', breaker, error: unreadable };
    const check = await this.#options.catalogs.lastCheck(record);
    if (check === undefined) return { state: 'unknown', breaker };
    const { checkedAt, error } = check;
    return error === undefined
      ? { state: 'ok', breaker, checkedAt }
      : { state: 'failing', breaker, error, checkedAt };
  }

  async #see(owner: Owner, id: string, fresh: boolean): Promise<SeenEntries> {
    const record = await this.get(owner, id);
    const view = await this.#options.catalogs.operatorViewOf(record);
    const entry: CatalogEntry | undefined = await view.entry(id, fresh);
    if (entry === undefined) {
      const reason = record.unreadable ?? `Server "${record.name}" is disabled`;
      throw new GatewayError(Code.FailedPrecondition, reason);
    }
    // What is still known of a server that fails now is shown, but is no answer to whoever wants it fetched.
    if (fresh && entry.error !== undefined) throw entry.error;
    if (entry.catalog === undefined) throw entry.error ?? new GatewayError(Code.Internal, 'Internal error');
    return seenOf(await view.snapshot(), id);
  }

  #check(target: ServerTarget): void {
    if (target.kind === 'stdio' && this.#options.stdioOff !== undefined) {
      throw new GatewayError(Code.FailedPrecondition, this.#options.stdioOff);
    }
    checkTarget(target, this.#options.networks);
  }
}

function seenOf(snapshot: Snapshot, serverId: string): SeenEntries {
  const of = (routes: ReadonlyMap<string, Route>): PublicEntry[] =>
    [...routes]
      .filter(([, route]) => route.server.id === serverId)
      .map(([publicName, route]) => ({ publicName, entry: route.listed.entry }));
  return {
    tools: of(snapshot.tools),
    resources: of(snapshot.resources),
    resourceTemplates: of(snapshot.templates),
    prompts: of(snapshot.prompts),
  };
}
