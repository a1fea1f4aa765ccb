import { randomUUID } from 'node:crypto';
import type { Principal, Role } from '../auth/principal.ts';
import type {
  Page,
  PageRequest,
  ServerPatch,
  ServerRecord,
  ServerSpec,
  ServerTarget,
} from '../db/server-record.ts';
import type { Breakers } from '../downstream/breaker.ts';
import { type Connector, downstreamServer, idInUse } from '../downstream/port.ts';
import type { NetworkGuard } from '../networks/guard.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { namesModern } from '../protocol/modern/versions.ts';
import type { Catalogs } from './catalogs.ts';
import { checkTarget } from './check-target.ts';
import type { CatalogEntry } from './entry.ts';
import { fetchCatalog } from './fetch.ts';
import { lend } from './lent-servers.ts';
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

  async create({ tenantId, userId, roles }: Principal, spec: ServerSpec): Promise<ServerRecord> {
    this.#check(spec.target);
    if (spec.sharedWith !== undefined) requireSharer(roles);
    return await this.#options.registry.create({ tenantId, userId }, spec);
  }

  get(principal: Principal, id: string): Promise<ServerRecord> {
    return this.#options.registry.get(principal, id);
  }

  findByName(principal: Principal, name: string): Promise<ServerRecord> {
    return this.#options.registry.findByName(principal, name);
  }

  page(principal: Principal, request: PageRequest): Promise<Page<ServerRecord>> {
    return this.#options.registry.page(principal, request);
  }

  async update(principal: Principal, id: string, patch: ServerPatch): Promise<ServerRecord> {
    if (patch.target !== undefined) this.#check(patch.target);
    const { registry } = this.#options;
    const record = await registry.get(principal, id);
    if (record.sharedWith !== undefined || patch.sharedWith !== undefined) requireSharer(principal.roles);
    const updated = await registry.update(record.lender ?? record.owner, id, patch);
    return record.lender === undefined ? updated : lend(updated, principal);
  }

  async delete(principal: Principal, id: string): Promise<void> {
    const { registry } = this.#options;
    const record = await registry.get(principal, id);
    if (record.sharedWith !== undefined) requireSharer(principal.roles);
    await registry.delete(record.lender ?? record.owner, id);
  }

  async test(principal: Principal, id: string, signal: AbortSignal): Promise<TestReport> {
    const record = await this.get(principal, id);
    // Without its secrets it would be another server that is tested.
    if (record.unreadable !== undefined) return { ok: false, error: record.unreadable, latencyMs: 0 };
    const startedAt = performance.now();
    const latencyMs = () => Math.round((performance.now() - startedAt) * 10) / 10;
    // Under an id of its own, so that a process is started anew, and no other, in use or tested too, is ended with it.
    // What it was found to speak before is not believed.
    const { era: _, ...server } = downstreamServer(record);
    const probe = { ...server, id: `${server.id}#test-${randomUUID()}` };
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

  refresh(principal: Principal, id: string): Promise<SeenEntries> {
    return this.#see(principal, id, true);
  }

  seen(principal: Principal, id: string): Promise<SeenEntries> {
    return this.#see(principal, id, false);
  }

  async health(record: ServerRecord): Promise<ServerHealth> {
    const { unreadable } = record;
    const breaker = this.#options.breakers.state(idInUse(record));
    if (unreadable !== undefined) return { state: 'failing', breaker, error: unreadable };
    const check = await this.#options.catalogs.lastCheck(record);
    if (check === undefined) return { state: 'unknown', breaker };
    const { checkedAt, error } = check;
    return error === undefined
      ? { state: 'ok', breaker, checkedAt }
      : { state: 'failing', breaker, error, checkedAt };
  }

  async #see(principal: Principal, id: string, fresh: boolean): Promise<SeenEntries> {
    const record = await this.get(principal, id);
    const inUse = idInUse(record);
    const view = await this.#options.catalogs.operatorViewOf(record, principal);
    const entry: CatalogEntry | undefined = await view.entry(inUse, fresh);
    if (entry === undefined) {
      const why = record.enabled ? 'is not among those that you use' : 'is disabled';
      const reason = record.unreadable ?? `Server "${record.name}" ${why}`;
      throw new GatewayError(Code.FailedPrecondition, reason);
    }
    // What is still known of a server that fails now is shown, but is no answer to whoever wants it fetched.
    if (fresh && entry.error !== undefined) throw entry.error;
    if (entry.catalog === undefined) throw entry.error ?? new GatewayError(Code.Internal, 'Internal error');
    return seenOf(await view.snapshot(), inUse);
  }

  #check(target: ServerTarget): void {
    if (target.kind === 'stdio' && this.#options.stdioOff !== undefined) {
      throw new GatewayError(Code.FailedPrecondition, this.#options.stdioOff);
    }
    checkTarget(target, this.#options.networks);
  }
}

/** Whose servers are others' is for those to say who run the tenant. */
function requireSharer(roles: readonly Role[]): void {
  if (!roles.includes('admin'))
    throw new GatewayError(
      Code.Forbidden,
      'Only an admin may share a server, or change or remove a shared one',
    );
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
