import { type Owner, ownerKey, type Principal, type Role } from '../auth/principal.ts';
import type { CatalogStore } from '../coordination/catalog-store.ts';
import type { ServerRecord } from '../db/server-record.ts';
import { type Connector, type DownstreamServer, idInUse, isOfCallers } from '../downstream/port.ts';
import type { Policy } from '../policy/policy.ts';
import type { Logger } from '../telemetry/types.ts';
import { kindOf } from './kind.ts';
import { sharingRoles } from './lent-servers.ts';
import type { ServerRegistry } from './registry.ts';
import { RestrictedView } from './restricted-view.ts';
import type { CatalogSharing } from './sharing.ts';
import { CatalogView, type View } from './view.ts';

export interface CatalogsOptions {
  readonly registry: ServerRegistry;
  readonly connector: Connector;
  readonly logger: Logger;
  readonly builtin: ((owner: Owner) => DownstreamServer) | undefined;
  readonly listTimeoutMs: number;
  readonly ttlMs: number;
  readonly pageSize: number;
  /** Who may use what; undefined: everybody all that they have. */
  readonly policy?: Policy | undefined;
  /** Where checks of servers are noted. */
  readonly checks: Pick<CatalogStore, 'lastCheck'>;
  /** Shares what servers list with other nodes; undefined where there are none. */
  readonly sharing?: CatalogSharing | undefined;
}

export interface LastCheck {
  readonly checkedAt: Date;
  /** Why the server failed, for people; undefined where it answered. */
  readonly error: string | undefined;
}

/** A view that nobody has looked at for this long is closed, its connections with it. */
const VIEW_IDLE_MS = 600_000;

/** What a client can be asked at all. */
const EVERYTHING = {
  elicitation: { form: {}, url: {} },
  sampling: { context: {}, tools: {} },
  roots: { listChanged: true },
};

const EVERYTHING_KIND = kindOf(EVERYTHING);

/**
 * All catalog views: one for each owner and kind of client, since servers may list other things to clients that can do
 * other things. Sessions of one owner whose clients can do the same share one.
 */
export class Catalogs {
  readonly #options: CatalogsOptions;
  readonly #views = new Map<string, Map<string, CatalogView>>();
  /** By what they leave out. */
  readonly #restricted = new WeakMap<CatalogView, Map<string, RestrictedView>>();
  readonly #sweeper: NodeJS.Timeout;
  readonly #unsubscribe: () => void;

  constructor(options: CatalogsOptions) {
    this.#options = options;
    this.#sweeper = setInterval(() => this.#sweep(), VIEW_IDLE_MS / 10);
    this.#sweeper.unref();
    this.#unsubscribe = options.registry.onChange(({ owner, serverId, isShared, isTouched }) => {
      const views = isShared === true ? this.#viewsIn(owner) : this.#viewsOf(owner);
      for (const view of views) {
        if (isTouched === true && serverId !== undefined) view.peek(serverId)?.changed();
        else
          view
            .serversChanged()
            .catch((error) => options.logger.error('catalog could not follow a change', { err: error }));
      }
    });
  }

  /** What exists for a client of the legacy era. */
  viewFor(principal: Principal, clientCapabilities: Readonly<Record<string, unknown>>): View {
    return this.#for(principal, this.view(principal, clientCapabilities));
  }

  /** What exists for a client of the modern era. */
  modernViewFor(principal: Principal): View {
    return this.#for(principal, this.modernView(principal));
  }

  /** All that somebody has, whatever may be used of it: own servers, and what is shared with the roles, where there are any. */
  view(owner: Owner | Principal, clientCapabilities: Readonly<Record<string, unknown>>): CatalogView {
    return this.#view(owner, clientCapabilities, kindOf(clientCapabilities));
  }

  /**
   * The same for all of an owner's clients of the modern era: there, lists must not differ from one client to another
   * (2026-07-28, tools), so servers are asked as by one that can do everything.
   */
  modernView(owner: Owner | Principal): CatalogView {
    return this.#view(owner, EVERYTHING, EVERYTHING_KIND);
  }

  /** A server says to an owner's clients of the modern era that a list is another. */
  changed(owner: Owner, serverId: string): void {
    for (const view of this.#viewsOf(owner))
      if (view.kind === EVERYTHING_KIND) view.peek(serverId)?.changed();
  }

  /** Somebody has a token to exchange again, without which servers could not be asked. */
  callerCame(owner: Owner): void {
    for (const view of this.#viewsOf(owner)) view.retry(isOfCallers);
  }

  /** The view that an operator sees through: the one in use, where there is one, so that looking starts no second process. */
  operatorView(owner: Owner | Principal): CatalogView {
    return this.#mostUsed(owner, rolesIn(owner)) ?? this.view(owner, {});
  }

  /**
   * The same for a look at one server: where nobody uses a view on this node, one of the kind for which some node has
   * asked the server last, so that looking has no node ask it for another.
   */
  async operatorViewOf(
    record: ServerRecord,
    operator: Owner | Principal = record.owner,
  ): Promise<CatalogView> {
    const view = this.operatorView(operator);
    if (view.users > 0) return view;
    const check = await this.#options.sharing?.lastCheck(idInUse(record)).catch(() => undefined);
    return check === undefined ? view : this.view(operator, check.capabilities);
  }

  /** What came of asking a server last; undefined where it has not been asked. The same on every node, while the store answers. */
  async lastCheck(record: ServerRecord): Promise<LastCheck | undefined> {
    const { sharing, checks } = this.#options;
    const { owner, revision } = record;
    const id = idInUse(record);
    const own = this.#mostUsed(owner)?.peek(id);
    const known =
      own?.checkedAt === undefined ? undefined : { checkedAt: own.checkedAt, error: own.error?.message };
    const noted = await checks.lastCheck(id).catch(() => 'away' as const);
    if (noted === 'away') return known;
    const { checkedAt = 0, error } = noted?.revision === revision ? noted.check : {};
    // Where nodes share what they find out, all of it is noted.
    const isNoted = sharing !== undefined && !isOfCallers(record);
    if (!isNoted && (known?.checkedAt.getTime() ?? 0) >= checkedAt) return known;
    return checkedAt === 0 ? undefined : { checkedAt: new Date(checkedAt), error: error?.message };
  }

  /** Asks every server again whose lists have had their time, on all nodes: each on the one that watches it. */
  async refreshStale(): Promise<void> {
    const { sharing } = this.#options;
    if (sharing !== undefined) return sharing.refreshStale();
    const views = [...this.#views.values()].flatMap((views) => [...views.values()]);
    await Promise.all(views.map((view) => view.refreshStale()));
  }

  /** Of all servers in use, by name; a name may come several times. */
  *ages(): Iterable<readonly [server: string, seconds: number]> {
    for (const views of this.#views.values()) for (const view of views.values()) yield* view.ages();
  }

  /** This node is about to stop: the others take over what it watches, and it reads what they write. */
  async retire(): Promise<void> {
    await this.#options.sharing?.retire();
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    this.#unsubscribe();
    await Promise.all(
      [...this.#views.values()].flatMap((views) => [...views.values()].map((view) => view.close())),
    );
    await this.#options.sharing?.close();
  }

  #for(principal: Principal, full: CatalogView): View {
    const access = this.#options.policy?.accessOf(principal);
    if (access === undefined) return full;
    const views = this.#restricted.get(full) ?? new Map<string, RestrictedView>();
    this.#restricted.set(full, views);
    const known = views.get(access.key);
    if (known !== undefined) return known;
    const restricted = new RestrictedView(full, access, this.#options.pageSize);
    views.set(access.key, restricted);
    return restricted;
  }

  #view(
    principal: Owner | Principal,
    clientCapabilities: Readonly<Record<string, unknown>>,
    kind: string,
  ): CatalogView {
    const { tenantId, userId } = principal;
    const owner = { tenantId, userId };
    const roles = rolesIn(principal);
    const key = ownerKey(owner);
    const each = JSON.stringify([kind, roles]);
    const views = this.#views.get(key) ?? new Map<string, CatalogView>();
    this.#views.set(key, views);
    const known = views.get(each);
    if (known !== undefined) {
      known.idleSince = Date.now();
      return known;
    }
    const { registry, connector, logger, builtin, listTimeoutMs, ttlMs, pageSize, sharing } = this.#options;
    const view = new CatalogView({
      owner,
      roles,
      kind,
      clientCapabilities,
      connector,
      logger,
      listTimeoutMs,
      ttlMs,
      pageSize,
      sharing,
      builtin: builtin?.(owner),
      servers: () => registry.visibleTo(owner, roles),
    });
    views.set(each, view);
    return view;
  }

  /** `roles`: of those that these have; else of all. */
  #mostUsed(owner: Owner, roles?: readonly Role[]): CatalogView | undefined {
    const wanted = roles && JSON.stringify(roles);
    const views = [...this.#viewsOf(owner)];
    const theirs = views.filter(({ roles }) => wanted === undefined || JSON.stringify(roles) === wanted);
    const [first] = theirs.sort((a, b) => b.users - a.users);
    return first;
  }

  #viewsIn({ tenantId }: Owner): readonly CatalogView[] {
    const all = [...this.#views.values()].flatMap((views) => [...views.values()]);
    return all.filter(({ owner }) => owner.tenantId === tenantId);
  }

  #viewsOf(owner: Owner): Iterable<CatalogView> {
    return this.#views.get(ownerKey(owner))?.values() ?? [];
  }

  #sweep(): void {
    const limit = Date.now() - VIEW_IDLE_MS;
    for (const [owner, views] of this.#views) {
      for (const [kind, view] of views) {
        if (view.users > 0 || view.idleSince > limit) continue;
        views.delete(kind);
        void view.close();
      }
      if (views.size === 0) this.#views.delete(owner);
    }
  }
}

/** By which servers may be shared with somebody; of an owner as such, none. */
function rolesIn(principal: Owner | Principal): readonly Role[] {
  return 'roles' in principal ? sharingRoles(principal.roles) : [];
}
