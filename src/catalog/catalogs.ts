import { type Owner, ownerKey } from '../auth/principal.ts';
import type { Connector, DownstreamServer } from '../downstream/port.ts';
import type { Logger } from '../telemetry/types.ts';
import type { ServerRegistry } from './registry.ts';
import { CatalogView } from './view.ts';

export interface CatalogsOptions {
  readonly registry: ServerRegistry;
  readonly connector: Connector;
  readonly logger: Logger;
  readonly builtin: ((owner: Owner) => DownstreamServer) | undefined;
  readonly listTimeoutMs: number;
  readonly ttlMs: number;
  readonly pageSize: number;
}

/** A view that nobody has looked at for this long is closed, its connections with it. */
const VIEW_IDLE_MS = 600_000;

/**
 * All catalog views: one for each owner and kind of client, since servers may list other things to clients that can do
 * other things. Sessions of one owner whose clients can do the same share one.
 */
export class Catalogs {
  readonly #options: CatalogsOptions;
  readonly #views = new Map<string, Map<string, CatalogView>>();
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

  view(owner: Owner, clientCapabilities: Readonly<Record<string, unknown>>): CatalogView {
    const key = ownerKey(owner);
    const views = this.#views.get(key) ?? new Map<string, CatalogView>();
    this.#views.set(key, views);
    const kind = JSON.stringify(clientCapabilities);
    const known = views.get(kind);
    if (known !== undefined) {
      known.idleSince = Date.now();
      return known;
    }
    const { registry, connector, logger, builtin, listTimeoutMs, ttlMs, pageSize } = this.#options;
    const view = new CatalogView({
      owner,
      clientCapabilities,
      connector,
      logger,
      listTimeoutMs,
      ttlMs,
      pageSize,
      builtin: builtin?.(owner),
      servers: () => registry.all(owner),
    });
    views.set(kind, view);
    return view;
  }

  /** The view that an operator sees through: the one in use, where there is one, so that looking starts no second process. */
  operatorView(owner: Owner): CatalogView {
    const [inUse] = [...this.#viewsOf(owner)].sort((a, b) => b.users - a.users);
    return inUse ?? this.view(owner, {});
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    this.#unsubscribe();
    await Promise.all(
      [...this.#views.values()].flatMap((views) => [...views.values()].map((view) => view.close())),
    );
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
