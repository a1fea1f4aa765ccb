import { LRUCache } from 'lru-cache';
import { type Owner, ownerKey } from '../auth/principal.ts';
import type { Bus } from '../coordination/bus.ts';
import type {
  Page,
  PageRequest,
  ServerEra,
  ServerPatch,
  ServerRecord,
  ServerRepository,
  ServerSpec,
} from '../db/server-record.ts';

/** One of an owner's servers is another now. */
export interface ServerChange {
  readonly owner: Owner;
  /** Absent where any of them may be: news from other nodes may have been missed. */
  readonly serverId: string | undefined;
}

export type ServerChangeListener = (change: ServerChange) => void;

const CHANGED = 'servers.changed';

/** Owners whose servers are kept in memory; beyond, the one not used for longest is read again when it comes back. */
const MAX_OWNERS = 10_000;

/** Every owner's servers, read once and kept, so that no MCP request asks the database; a change is told to whoever listens. */
export class ServerRegistry {
  readonly #repository: ServerRepository;
  readonly #listeners = new Set<ServerChangeListener>();
  readonly #bus: Bus;
  readonly #unsubscribe: readonly (() => void)[];
  readonly #cache = new LRUCache<string, Promise<readonly ServerRecord[]>>({ max: MAX_OWNERS });

  constructor(repository: ServerRepository, bus: Bus) {
    this.#repository = repository;
    this.#bus = bus;
    this.#unsubscribe = [
      bus.on(CHANGED, ({ tenantId, userId, serverId }) =>
        this.#tell({
          owner: { tenantId: String(tenantId), userId: String(userId) },
          serverId: String(serverId),
        }),
      ),
      bus.onGap(() => this.#forgetAll()),
    ];
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  /** All servers of an owner, in order of registration. */
  all(owner: Owner): Promise<readonly ServerRecord[]> {
    const key = ownerKey(owner);
    const cached = this.#cache.get(key);
    if (cached !== undefined) return cached;
    const loaded = this.#repository.all(owner);
    this.#cache.set(key, loaded);
    loaded.catch(() => this.#cache.delete(key));
    return loaded;
  }

  get(owner: Owner, id: string): Promise<ServerRecord> {
    return this.#repository.get(owner, id);
  }

  /** A server that is enabled, at this revision: as it is known here, else as it is stored. */
  async at(owner: Owner, id: string, revision: number): Promise<ServerRecord | undefined> {
    const isIt = (record: ServerRecord) => record.id === id && record.revision === revision && record.enabled;
    const known = (await this.all(owner)).find(isIt);
    if (known !== undefined) return known;
    // Another node may have heard of a change before this one has.
    return (await this.#repository.all(owner)).find(isIt);
  }

  findByName(owner: Owner, name: string): Promise<ServerRecord> {
    return this.#repository.findByName(owner, name);
  }

  page(owner: Owner, request: PageRequest): Promise<Page<ServerRecord>> {
    return this.#repository.page(owner, request);
  }

  async create(owner: Owner, spec: ServerSpec): Promise<ServerRecord> {
    const created = await this.#repository.create(owner, spec);
    this.#announce({ owner, serverId: created.id });
    return created;
  }

  async update(owner: Owner, id: string, patch: ServerPatch): Promise<ServerRecord> {
    const updated = await this.#repository.update(owner, id, patch);
    this.#announce({ owner, serverId: id });
    return updated;
  }

  async delete(owner: Owner, id: string): Promise<void> {
    await this.#repository.delete(owner, id);
    this.#announce({ owner, serverId: id });
  }

  /** What is open to the server, and what is known of it, is of before: as after a change, though nothing of its record is another. */
  async touch(owner: Owner, id: string): Promise<void> {
    await this.update(owner, id, {});
  }

  /** See {@link ServerRepository.noteEra}. Nobody is told: what is open to the server stays as it is. */
  async noteEra(owner: Owner, id: string, revision: number, era: ServerEra): Promise<void> {
    await this.#repository.noteEra(owner, id, revision, era);
    this.#cache.delete(ownerKey(owner));
  }

  onChange(listener: ServerChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Here at once, and on the other nodes. */
  #announce({ owner, serverId }: ServerChange): void {
    this.#tell({ owner, serverId });
    this.#bus.broadcast({ kind: CHANGED, ...owner, serverId }).catch(() => {
      // The bus is away. When it is back, every node forgets what it has and reads again.
    });
  }

  #tell(change: ServerChange): void {
    this.#cache.delete(ownerKey(change.owner));
    for (const listener of this.#listeners) listener(change);
  }

  #forgetAll(): void {
    for (const key of [...this.#cache.keys()]) {
      const [tenantId, userId]: readonly string[] = JSON.parse(key);
      if (tenantId !== undefined && userId !== undefined)
        this.#tell({ owner: { tenantId, userId }, serverId: undefined });
    }
  }
}
