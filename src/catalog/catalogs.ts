import { type Owner, ownerKey, type Principal } from '../auth/principal.ts';
import type { CatalogStore } from '../coordination/catalog-store.ts';
import type { ServerRecord } from '../db/server-record.ts';
import type { Connector, DownstreamServer } from '../downstream/port.ts';
import type { Policy } from '../policy/policy.ts';
import type { Logger } from '../telemetry/types.ts';
import { kindOf } from './kind.ts';
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
    this.#unsubscribe = options.registry.onChange(({ owner }) => {
      for (const view of this.#viewsOf(owner)) {
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

  /** All that the owner has, whatever may be used of it. */
  view(owner: Owner, clientCapabilities: Readonly<Record<string, unknown>>): CatalogView {
    return this.#view(owner, clientCapabilities, kindOf(clientCapabilities));
  }

  /**
   * The same for all of an owner's clients of the modern era: there, lists must not differ from one client to another
   * (2026-07-28, tools), so servers are asked as by one that can do everything.
   */
  modernView(owner: Owner): CatalogView {
    return this.#view(owner, EVERYTHING, EVERYTHING_KIND);
  }

  /** The view that an operator sees through: the one in use, where there is one, so that looking starts no second process. */
  operatorView(owner: Owner): CatalogView {
    return this.#mostUsed(owner) ?? this.view(owner, {});
  }

  /**
   * The same for a look at one server: where nobody uses a view on this node, one of the kind for which some node has
   * asked the server last, so that looking has no node ask it for another.
   */
  async operatorViewOf({ owner, id }: ServerRecord): Promise<CatalogView> {
    const view = this.operatorView(owner);
    if (view.users > 0) return view;
    const check = await this.#options.sharing?.lastCheck(id).catch(() => undefined);
    return check === undefined ? view : this.view(owner, check.capabilities);
  }

  /** What came of asking a server last; undefined where it has not been asked. The same on every node, while the store answers. */
  async lastCheck({ owner, id, revision }: ServerRecord): Promise<LastCheck | undefined> {
    const { sharing, checks } = this.#options;
    const own = this.#mostUsed(owner)?.peek(id);
    const known =
      own?.checkedAt === undefined ? undefined : { checkedAt: own.checkedAt, error: own.error?.message };
    const noted = await checks.lastCheck(id).catch(() => 'away' as const);
    if (noted === 'away') return known;
    const { checkedAt = 0, error } = noted?.revision === revision ? noted.check : {};
    // Where nodes share what they find out, all of it is noted.
    if (sharing === undefined && (known?.checkedAt.getTime() ?? 0) >= checkedAt) return known;
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

  #view(owner: Owner, clientCapabilities: Readonly<Record<string, unknown>>, kind: string): CatalogView {
    const key = ownerKey(owner);
    const views = this.#views.get(key) ?? new Map<string, CatalogView>();
    this.#views.set(key, views);
    const known = views.get(kind);
    if (known !== undefined) {
      known.idleSince = Date.now();
      return known;
    }
    const { registry, connector, logger, builtin, listTimeoutMs, ttlMs, pageSize, sharing } = this.#options;
    const view = new CatalogView({
      owner,
      clientCapabilities,
      connector,
      logger,
      listTimeoutMs,
      ttlMs,
      pageSize,
      sharing,
      builtin: builtin?.(owner),
      servers: () => registry.all(owner),
    });
    views.set(kind, view);
    return view;
  }

  #mostUsed(owner: Owner): CatalogView | undefined {
    const [first] = [...this.#viewsOf(owner)].sort((a, b) => b.users - a.users);
    return first;
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
