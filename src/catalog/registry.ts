import { LRUCache } from 'lru-cache';
import { type Owner, ownerKey } from '../auth/principal.ts';
import type {
  Page,
  PageRequest,
  ServerPatch,
  ServerRecord,
  ServerRepository,
  ServerSpec,
} from '../db/server-record.ts';

/** What has become of one server: its record now and before; one of them is absent when it was added or removed. */
export interface ServerChange {
  readonly owner: Owner;
  readonly before: ServerRecord | undefined;
  readonly after: ServerRecord | undefined;
}

export type ServerChangeListener = (change: ServerChange) => void;

/** Owners whose servers are kept in memory; beyond, the one not used for longest is read again when it comes back. */
const MAX_OWNERS = 10_000;

/** Every owner's servers, read once and kept, so that no MCP request asks the database; a change is told to whoever listens. */
export class ServerRegistry {
  readonly #repository: ServerRepository;
  readonly #listeners = new Set<ServerChangeListener>();
  readonly #cache = new LRUCache<string, Promise<readonly ServerRecord[]>>({ max: MAX_OWNERS });

  constructor(repository: ServerRepository) {
    this.#repository = repository;
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

  page(owner: Owner, request: PageRequest): Promise<Page<ServerRecord>> {
    return this.#repository.page(owner, request);
  }

  async create(owner: Owner, spec: ServerSpec): Promise<ServerRecord> {
    const after = await this.#repository.create(owner, spec);
    this.#announce({ owner, before: undefined, after });
    return after;
  }

  async update(owner: Owner, id: string, patch: ServerPatch): Promise<ServerRecord> {
    const before = await this.#repository.get(owner, id);
    const after = await this.#repository.update(owner, id, patch);
    this.#announce({ owner, before, after });
    return after;
  }

  async delete(owner: Owner, id: string): Promise<void> {
    const before = await this.#repository.delete(owner, id);
    this.#announce({ owner, before, after: undefined });
  }

  onChange(listener: ServerChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #announce(change: ServerChange): void {
    this.#cache.delete(ownerKey(change.owner));
    for (const listener of this.#listeners) listener(change);
  }
}
