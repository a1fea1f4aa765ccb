import { randomUUID } from 'node:crypto';
import type { Bus, BusMessage } from '../coordination/bus.ts';
import type { CatalogStore, StoredCheck } from '../coordination/catalog-store.ts';
import type { Leases } from '../coordination/leases.ts';
import type { Members } from '../coordination/members.ts';
import type { DownstreamServer } from '../downstream/port.ts';
import type { Logger } from '../telemetry/types.ts';
import { scopeOf } from './kind.ts';
import { SharedRecord } from './shared-record.ts';
import { SharedWatch } from './shared-watch.ts';
import type { WatchContext } from './watch-context.ts';
import type { CatalogSource, CatalogState, WatcherOptions } from './watcher.ts';

export interface SharingOptions {
  readonly bus: Bus;
  readonly leases: Leases;
  readonly members: Members;
  readonly store: CatalogStore;
  readonly logger: Logger;
  /** Milliseconds for which a watcher is not renewed before another node takes over. Default: 2.5 s. */
  readonly leaseTtlMs?: number;
}

/** Renewed each second: with one renewal lost nothing moves, and a node that dies is followed within three. */
const LEASE_TTL_MS = 2500;

/** Between two looks at leases and members. */
const TICK_MS = 500;

/** For an asked watcher to say that it has begun; for its answer, the server's own time limits apply. */
const BEGIN_MS = 2000;

/** For its answer, should it never come: a process may be long in starting. */
const ANSWER_MS = 120_000;

/** Watches that are refreshed at a time. */
const REFRESHED_AT_A_TIME = 16;

/** Messages of the bus. `id` names a catalog; none holds anything that a server said. */
const WRITTEN = 'catalog.written';
const RELEASED = 'catalog.released';
const CHANGED = 'catalog.changed';
const REFRESH = 'catalog.refresh';
const BEGUN = 'catalog.begun';
const REFRESHED = 'catalog.refreshed';
const STALE = 'catalog.stale';

interface Asked {
  begun(): void;
  answered(version: number | undefined): void;
}

/** What this node has to do with the catalogs that the cluster shares: its watches, and what nodes say to each other of them. */
export class CatalogSharing {
  readonly #options: SharingOptions;
  readonly #context: WatchContext;
  readonly #watches = new Map<string, SharedWatch>();
  /** Watches that are being let go of. */
  readonly #closing = new Map<string, Promise<void>>();
  readonly #asked = new Map<string, Asked>();
  readonly #unsubscribe: readonly (() => void)[];
  #alive: ReadonlySet<string> = new Set();
  #looking = false;
  #timer: NodeJS.Timeout | undefined;
  #retired = false;
  #closed = false;

  constructor(options: SharingOptions) {
    this.#options = options;
    const { bus, leases, logger, leaseTtlMs = LEASE_TTL_MS } = options;
    this.#context = {
      nodeId: bus.nodeId,
      leases,
      leaseTtlMs,
      logger,
      isAlive: (nodeId) => this.#alive.has(nodeId),
      written: (id, version) => this.#tellAll({ kind: WRITTEN, id, version }),
      released: (id) => this.#tellAll({ kind: RELEASED, id }),
      tellChanged: (id, watcher) => bus.send(watcher, { kind: CHANGED, id }),
      askRefresh: (id, watcher, signal) => this.#askRefresh(id, watcher, signal),
    };
    this.#unsubscribe = [
      bus.on(WRITTEN, (message) => this.#watchOf(message)?.written(Number(message['version']))),
      bus.on(RELEASED, (message) => this.#watchOf(message)?.lookAgain()),
      bus.on(CHANGED, (message) => this.#watchOf(message)?.changedElsewhere()),
      bus.on(REFRESH, (message, from) => void this.#refreshFor(from, message)),
      bus.on(BEGUN, (message) => this.#asked.get(String(message['request']))?.begun()),
      bus.on(REFRESHED, ({ request, version }) =>
        this.#asked.get(String(request))?.answered(typeof version === 'number' ? version : undefined),
      ),
      bus.on(STALE, () => void this.#refreshStale()),
      bus.onGap(() => this.#caughtUp()),
    ];
  }

  /** Takes part in watching a server from the first time on that somebody wants to know what it lists. */
  open(
    server: DownstreamServer,
    watcher: WatcherOptions,
    known: CatalogState,
    onState: (state: CatalogState) => void,
  ): CatalogSource {
    const { store, logger } = this.#options;
    const { clientCapabilities, roles } = watcher;
    const scope = scopeOf(server.owner, clientCapabilities, roles);
    const key = { serverId: server.id, revision: server.revision, scope };
    const id = `${server.id}:${server.revision}:${scope}`;
    const watch = new SharedWatch({
      id,
      server,
      watcher,
      known,
      onState,
      context: this.#context,
      record: new SharedRecord({ store, key, clientCapabilities, logger }),
      after: this.#closing.get(id) ?? Promise.resolve(),
    });
    this.#watches.set(id, watch);
    if (this.#retired) void watch.retire();
    this.#arm();
    const close = () => this.#close(id, watch);
    return {
      ready: () => watch.ready(),
      refresh: () => watch.refresh(),
      refreshStale: () => watch.refreshStale(),
      changed: () => watch.changed(),
      close,
    };
  }

  /** The last check of a server by any node. Rejects with Unavailable while the store is away. */
  lastCheck(serverId: string): Promise<StoredCheck | undefined> {
    return this.#options.store.lastCheck(serverId);
  }

  /** Asks servers again whose lists have had their time, and has the other nodes do the same with those that they watch. */
  async refreshStale(): Promise<void> {
    this.#tellAll({ kind: STALE });
    await this.#refreshStale();
  }

  /** Leaves all watching to the other nodes, at once. */
  async retire(): Promise<void> {
    this.#retired = true;
    await Promise.all([...this.#watches.values()].map((watch) => watch.retire()));
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    for (const asked of [...this.#asked.values()]) asked.answered(undefined);
    for (const [id, watch] of this.#watches) void this.#close(id, watch);
    await Promise.all(this.#closing.values());
  }

  #close(id: string, watch: SharedWatch): Promise<void> {
    if (this.#watches.get(id) === watch) this.#watches.delete(id);
    const closing = Promise.all([this.#closing.get(id), watch.close()]).then(() => {
      if (this.#closing.get(id) === closing) this.#closing.delete(id);
    });
    this.#closing.set(id, closing);
    return closing;
  }

  #watchOf(message: BusMessage): SharedWatch | undefined {
    return this.#watches.get(String(message['id']));
  }

  #tellAll(message: BusMessage): void {
    this.#options.bus.broadcast(message).catch(() => {
      // The bus is away. When it is back, every node reads again.
    });
  }

  #arm(): void {
    if (this.#timer !== undefined || this.#closed || this.#watches.size === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#look();
      for (const watch of this.#watches.values()) watch.tick();
      this.#arm();
    }, TICK_MS);
    this.#timer.unref();
  }

  /** Who is there: one question for all watches that follow others. */
  async #look(): Promise<void> {
    if (this.#looking || ![...this.#watches.values()].some(({ isFollowing }) => isFollowing)) return;
    this.#looking = true;
    const members = await this.#options.members.list().catch(() => undefined);
    this.#looking = false;
    // While the store is away, nobody is thought to be gone.
    if (members !== undefined)
      this.#alive = new Set(members.filter(({ state }) => state !== 'gone').map(({ id }) => id));
  }

  /** Messages may have been missed: that catalogs have changed, that watchers are gone, and answers. */
  #caughtUp(): void {
    for (const asked of [...this.#asked.values()]) asked.answered(undefined);
    for (const watch of this.#watches.values()) watch.lookAgain();
  }

  async #refreshStale(): Promise<void> {
    const watches = this.#watches.values();
    const worker = async () => {
      for (const watch of watches) await watch.refreshStale();
    };
    await Promise.all(Array.from({ length: REFRESHED_AT_A_TIME }, worker));
  }

  async #askRefresh(id: string, watcher: string, signal: AbortSignal): Promise<number | undefined> {
    const { bus } = this.#options;
    const request = randomUUID();
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    const giveUp = () => resolve(undefined);
    let timer = setTimeout(giveUp, BEGIN_MS);
    this.#asked.set(request, {
      begun: () => {
        clearTimeout(timer);
        timer = setTimeout(giveUp, ANSWER_MS);
      },
      answered: resolve,
    });
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      const isHeard = await bus.send(watcher, { kind: REFRESH, id, request }).catch(() => false);
      return isHeard ? await promise : undefined;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
      this.#asked.delete(request);
    }
  }

  async #refreshFor(from: string, message: BusMessage): Promise<void> {
    const { bus } = this.#options;
    const { request } = message;
    const watch = this.#watchOf(message);
    try {
      if (watch?.isHolder === true) await bus.send(from, { kind: BEGUN, request });
      const version = await watch?.refreshForOthers();
      await bus.send(from, { kind: REFRESHED, request, version: version ?? null });
    } catch {
      // The bus is away: whoever asked is told so by its own.
    }
  }
}
