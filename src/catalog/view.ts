import { isDeepStrictEqual } from 'node:util';
import type { Owner, Role } from '../auth/principal.ts';
import type { ServerRecord } from '../db/server-record.ts';
import { type DownstreamServer, downstreamServer } from '../downstream/port.ts';
import { CatalogEntry, type EntryOptions } from './entry.ts';
import { buildSnapshot, isSameSource, type Snapshot, type Source } from './snapshot.ts';
import type { ServerCatalog } from './types.ts';

export type ChangedLists = {
  readonly tools: boolean;
  readonly prompts: boolean;
  readonly resources: boolean;
};

export interface ViewOptions extends EntryOptions {
  readonly owner: Owner;
  /** Of clients, by what they can do. */
  readonly kind: string;
  readonly roles: readonly Role[];
  readonly pageSize: number;
  /** The gateway's own tools, as the first of all servers; absent where they are switched off. */
  readonly builtin: DownstreamServer | undefined;
  readonly servers: () => Promise<readonly ServerRecord[]>;
}

/**
 * Milliseconds before clients of a cluster are told of a change: by then the other nodes have it too, and a client that
 * asks one of them is not given the old list.
 */
const TELL_AFTER_MS = 100;

/** What requests of clients have of a view. */
export type View = Pick<
  CatalogView,
  'owner' | 'current' | 'isSettling' | 'snapshot' | 'entry' | 'peek' | 'onChange' | 'users' | 'idleSince'
>;

/** What exists for one owner's clients of one kind: a snapshot that follows the servers, and the news when it changes. */
export class CatalogView {
  readonly #options: ViewOptions;
  readonly #entries = new Map<string, CatalogEntry>();
  readonly #listeners = new Set<(changed: ChangedLists) => void>();
  #order: readonly DownstreamServer[] = [];
  #snapshot: Snapshot | undefined;
  #syncing: Promise<void> | undefined;
  /** While servers that were added or changed are asked for the first time. */
  #settling: Promise<void> | undefined;
  #stale = true;
  /** Rises with every change of the servers, so that a reading that a change has overtaken is known for one. */
  #generation = 0;
  #orderOf = -1;
  /** A build will begin in a turn of its own. */
  #rebuilding = false;
  /** The build under way, and the one after it. */
  #building: Promise<Snapshot> | undefined;
  #next: Promise<Snapshot> | undefined;
  /** What each listener has not been told yet; one that came after a change has the new lists. */
  readonly #untold = new Map<(changed: ChangedLists) => void, ChangedLists>();
  #telling: NodeJS.Timeout | undefined;
  #closed = false;
  /** Sessions that look at this view, and when the last one went. */
  users = 0;
  idleSince = Date.now();

  constructor(options: ViewOptions) {
    this.#options = options;
  }

  get owner(): Owner {
    return this.#options.owner;
  }

  get kind(): string {
    return this.#options.kind;
  }

  /** By which servers are shared with those it is for. */
  get roles(): readonly Role[] {
    return this.#options.roles;
  }

  /** The snapshot as it is now, without waiting; undefined before the first. */
  get current(): Snapshot | undefined {
    return this.#stale ? undefined : this.#snapshot;
  }

  /** Servers that were added or changed have not answered yet: what is not listed now may be in a moment. */
  get isSettling(): boolean {
    return this.#settling !== undefined;
  }

  /** The snapshot, once every server has been asked or has used up its time. What comes later is news. */
  async snapshot(): Promise<Snapshot> {
    for (;;) {
      await this.#settling;
      const current = this.current;
      if (current !== undefined) return current;
      try {
        await this.#sync();
      } catch (error) {
        // What was known serves until the servers can be read again.
        if (this.#snapshot !== undefined) return this.#snapshot;
        throw error;
      }
      await this.#patience([...this.#entries.values()]);
      const snapshot = await this.#rebuild();
      if (!this.#stale || this.#closed) return snapshot;
    }
  }

  /** What this view has of one server, asked for anew if `fresh`. Undefined for a server that isn't there or is disabled. */
  async entry(serverId: string, fresh: boolean): Promise<CatalogEntry | undefined> {
    await this.#sync();
    const entry = this.#entries.get(serverId);
    await (fresh ? entry?.refresh() : entry?.ready());
    // The snapshot follows in a turn of its own; who has just asked must not be answered from the one before.
    if (fresh && this.current !== undefined) await this.#rebuild();
    return entry;
  }

  /** How long ago it was found out what each server lists, in seconds. The gateway's own tools have no age. */
  *ages(): Iterable<readonly [server: string, seconds: number]> {
    const now = Date.now();
    for (const { server, catalog } of this.#entries.values()) {
      if (catalog === undefined || server.target.kind === 'builtin') continue;
      yield [server.name, Math.max(0, now - catalog.fetchedAt.getTime()) / 1000];
    }
  }

  /** As far as it is known now. */
  peek(serverId: string): CatalogEntry | undefined {
    return this.#entries.get(serverId);
  }

  /** Servers were added, changed or removed. */
  async serversChanged(): Promise<void> {
    this.#stale = true;
    this.#generation++;
    this.#syncing = undefined;
    if (this.#snapshot === undefined) return;
    await this.#sync();
    const settling = this.#settle().finally(() => {
      if (this.#settling === settling) this.#settling = undefined;
    });
    this.#settling = settling;
    await settling;
  }

  /** At once without what went, and again when what came has answered. */
  async #settle(): Promise<void> {
    await this.#rebuild();
    await this.#patience([...this.#entries.values()]);
    await this.#rebuild();
  }

  onChange(listener: (changed: ChangedLists) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Asks servers again whose lists have had their time, unless other nodes do. */
  async refreshStale(): Promise<void> {
    await Promise.all([...this.#entries.values()].map((entry) => entry.refreshStale()));
  }

  /** Asks those of these servers again that could not be asked. */
  retry(which: (server: DownstreamServer) => boolean): void {
    for (const entry of this.#entries.values())
      if (entry.error !== undefined && which(entry.server)) void entry.refresh();
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#telling);
    await Promise.all([...this.#entries.values()].map((entry) => entry.close()));
  }

  #sync(): Promise<void> {
    this.#syncing ??= this.#readServers().catch((error) => {
      this.#syncing = undefined;
      throw error;
    });
    return this.#syncing;
  }

  async #readServers(): Promise<void> {
    const generation = this.#generation;
    const records = (await this.#options.servers()).filter((record) => record.enabled).map(downstreamServer);
    if (generation !== this.#generation) return this.#sync();
    const { builtin } = this.#options;
    const order = builtin === undefined ? records : [builtin, ...records];
    const servers = new Map(order.map((server) => [server.id, server]));
    const known = new Map<string, ServerCatalog>();
    for (const [id, entry] of this.#entries) {
      const server = servers.get(id);
      if (server?.revision === entry.server.revision) continue;
      // Reached as before it lists the same: a change of its prefix or its limits hides nothing from clients meanwhile.
      if (entry.catalog !== undefined && server !== undefined && isReachedAlike(server, entry.server))
        known.set(id, entry.catalog);
      this.#entries.delete(id);
      void entry.close();
    }
    if (this.#closed) return;
    for (const server of order) {
      if (this.#entries.has(server.id)) continue;
      const entry = new CatalogEntry(server, this.#options, () => this.#changed(), known.get(server.id));
      this.#entries.set(server.id, entry);
    }
    this.#order = order;
    this.#orderOf = generation;
  }

  /** One slow server must not hold up the others: each gets the time of a list, then the rest goes on without it. */
  async #patience(entries: readonly CatalogEntry[]): Promise<void> {
    const asked = Promise.all(entries.map((entry) => entry.ready()));
    const { promise: patience, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, this.#options.listTimeoutMs);
    await Promise.race([asked, patience]);
    clearTimeout(timer);
  }

  #changed(): void {
    if (this.#rebuilding || this.#closed) return;
    // Whoever asks first builds the first one; what comes while that is being done is not in it.
    if (this.#snapshot === undefined && this.#building === undefined) return;
    this.#rebuilding = true;
    setImmediate(() => {
      this.#rebuilding = false;
      void this.#rebuild();
    });
  }

  /** Resolves with a snapshot of what is known now. One that is being built may be of what was known before. */
  #rebuild(): Promise<Snapshot> {
    if (this.#building === undefined) return this.#build();
    const again = () => {
      this.#next = undefined;
      return this.#rebuild();
    };
    this.#next ??= this.#building.then(again, again);
    return this.#next;
  }

  #build(): Promise<Snapshot> {
    this.#building = this.#buildNow().finally(() => {
      this.#building = undefined;
    });
    return this.#building;
  }

  async #buildNow(): Promise<Snapshot> {
    const orderOf = this.#orderOf;
    const sources = this.#order.map((server): Source => {
      const entry = this.#entries.get(server.id);
      const error = entry?.error?.message;
      return { server, catalog: entry?.catalog, ...(error === undefined ? {} : { error }) };
    });
    const before = this.#snapshot;
    const isSame = before !== undefined && areSame(before.sources, sources);
    const after = isSame ? before : await buildSnapshot(sources, this.#options.pageSize);
    this.#snapshot = after;
    this.#stale = orderOf !== this.#generation;
    if (before !== undefined) this.#tell(before, after);
    return after;
  }

  #tell(before: Snapshot, after: Snapshot): void {
    const changed = changesBetween(before, after);
    if (changed === undefined) return;
    for (const listener of this.#listeners) {
      const untold = this.#untold.get(listener);
      this.#untold.set(listener, untold === undefined ? changed : either(untold, changed));
    }
    if (this.#options.sharing === undefined) this.#tellNow();
    else if (!this.#closed) this.#telling ??= setTimeout(() => this.#tellNow(), TELL_AFTER_MS);
  }

  #tellNow(): void {
    this.#telling = undefined;
    const untold = [...this.#untold];
    this.#untold.clear();
    for (const [listener, changed] of untold) if (this.#listeners.has(listener)) listener(changed);
  }
}

/**
 * As whom the gateway comes does not count: as after a log-out, what was listed stays until the server has answered, so that
 * a call can say that a log-in is needed now.
 */
function isReachedAlike(a: DownstreamServer, b: DownstreamServer): boolean {
  return isDeepStrictEqual(placeOf(a), placeOf(b));
}

function placeOf({ target }: DownstreamServer): DownstreamServer['target'] {
  if (target.kind !== 'http') return target;
  const { oauth: _, ...place } = target;
  return place;
}

/** Which lists differ; undefined where none does. */
export function changesBetween(before: Snapshot, after: Snapshot): ChangedLists | undefined {
  const differs = (list: keyof Snapshot['pages']) => before.pages[list].version !== after.pages[list].version;
  const changed = {
    tools: differs('tools'),
    prompts: differs('prompts'),
    resources: differs('resources') || differs('resourceTemplates'),
  };
  return changed.tools || changed.prompts || changed.resources ? changed : undefined;
}

function either(a: ChangedLists, b: ChangedLists): ChangedLists {
  return {
    tools: a.tools || b.tools,
    prompts: a.prompts || b.prompts,
    resources: a.resources || b.resources,
  };
}

function areSame(a: readonly Source[], b: readonly Source[]): boolean {
  return a.length === b.length && a.every((source, at) => isSameSource(source, b[at]));
}
