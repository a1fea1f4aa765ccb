import { LRUCache } from 'lru-cache';
import { type Owner, ownerKey, type Principal, type Role } from '../auth/principal.ts';
import type { Bus } from '../coordination/bus.ts';
import { pageOf } from '../db/page-of.ts';
import type {
  Page,
  PageRequest,
  ServerEra,
  ServerPatch,
  ServerRecord,
  ServerRepository,
  ServerSpec,
} from '../db/server-record.ts';
import { idInUse } from '../downstream/port.ts';
import { storedId } from '../downstream/server-id.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { inOrder, lentTo, managedBy } from './lent-servers.ts';

/** One of an owner's servers is another now. */
export interface ServerChange {
  readonly owner: Owner;
  /** Absent where any of them may be: news from other nodes may have been missed. */
  readonly serverId: string | undefined;
  /** It is shared, or was: whoever is of the tenant may have it otherwise now. */
  readonly isShared?: true;
  /** The record is as it was: what is open to the server is of before. */
  readonly isTouched?: true;
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
  /** What is shared, by tenant. */
  readonly #shared = new LRUCache<string, Promise<readonly ServerRecord[]>>({ max: MAX_OWNERS });

  constructor(repository: ServerRepository, bus: Bus) {
    this.#repository = repository;
    this.#bus = bus;
    this.#unsubscribe = [
      bus.on(CHANGED, ({ tenantId, userId, serverId, isShared, isTouched }) =>
        this.#tell({
          owner: { tenantId: String(tenantId), userId: String(userId) },
          serverId: String(serverId),
          ...(isShared === true ? { isShared } : {}),
          ...(isTouched === true ? { isTouched } : {}),
        }),
      ),
      bus.onGap(() => this.#forgetAll()),
    ];
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  /** An owner's own servers, in order of registration. */
  own(owner: Owner): Promise<readonly ServerRecord[]> {
    return kept(this.#cache, ownerKey(owner), () => this.#repository.all(owner));
  }

  /** What somebody with these roles has: own servers, and what others share with them. */
  async visibleTo(owner: Owner, roles: readonly Role[]): Promise<readonly ServerRecord[]> {
    const own = await this.own(owner);
    return inOrder(own, lentTo(owner, roles, await this.#sharedIn(owner), own));
  }

  /** All that somebody of that name could have, whatever the roles: for what was open to it already. */
  async all(owner: Owner): Promise<readonly ServerRecord[]> {
    return inOrder(await this.own(owner), managedBy(owner, await this.#sharedIn(owner)));
  }

  /** Own, or shared: for admins whatever is, for others what is with them. Rejects with NotFound. */
  async get(principal: Principal, id: string): Promise<ServerRecord> {
    return this.#orLent(principal, this.#repository.get(principal, id), (lent) => lent.id === id);
  }

  /** As {@link get}, whatever the roles are: for a log-in that was begun with them. */
  async used(owner: Owner, id: string): Promise<ServerRecord> {
    return this.get({ ...owner, roles: ['admin'] }, id);
  }

  /** A server that is enabled, at this revision: as it is known here, else as it is stored. `id`: as it is in use. */
  async at(owner: Owner, id: string, revision: number): Promise<ServerRecord | undefined> {
    const isIt = (record: ServerRecord) =>
      idInUse(record) === id && record.revision === revision && record.enabled;
    const known = (await this.all(owner)).find(isIt);
    if (known !== undefined) return known;
    // Another node may have heard of a change before this one has.
    const { tenantId } = owner;
    const own = await this.#repository.all(owner);
    return [...own, ...managedBy(owner, await this.#repository.shared(tenantId))].find(isIt);
  }

  async findByName(principal: Principal, name: string): Promise<ServerRecord> {
    return this.#orLent(
      principal,
      this.#repository.findByName(principal, name),
      (lent) => lent.name === name,
    );
  }

  async page(principal: Principal, request: PageRequest): Promise<Page<ServerRecord>> {
    const shared = await this.#repository.shared(principal.tenantId);
    if (shared.every(({ owner }) => owner.userId === principal.userId))
      return this.#repository.page(principal, request);
    const own = await this.#repository.all(principal);
    return pageOf(inOrder(own, lentFor(principal, shared, own)), request);
  }

  async create(owner: Owner, spec: ServerSpec): Promise<ServerRecord> {
    const created = await this.#repository.create(owner, spec);
    this.#announce({ owner, serverId: created.id, ...sharing(created) });
    return created;
  }

  /** `owner`: whose it is. */
  async update(owner: Owner, id: string, patch: ServerPatch): Promise<ServerRecord> {
    const updated = await this.#repository.update(owner, id, patch);
    const wasShared = patch.sharedWith === undefined ? {} : SHARED;
    this.#announce({ owner, serverId: id, ...sharing(updated), ...wasShared });
    return updated;
  }

  /** `owner`: whose it is. */
  async delete(owner: Owner, id: string): Promise<void> {
    const deleted = await this.#repository.delete(owner, id);
    this.#announce({ owner, serverId: id, ...sharing(deleted) });
  }

  /** What is open to the server, and what is known of it, is of before: as after a change, though nothing of its record is another. */
  async touch(record: ServerRecord): Promise<void> {
    const { owner, id, sharedWith } = record;
    if (sharedWith === undefined) await this.update(owner, id, {});
    // The others who have it are left alone.
    else this.#announce({ owner, serverId: idInUse(record), isTouched: true });
  }

  /** See {@link ServerRepository.noteEra}. `id`: as it is in use. Nobody is told: what is open to the server stays as it is. */
  async noteEra(owner: Owner, id: string, revision: number, era: ServerEra): Promise<void> {
    await this.#repository.noteEra(owner, storedId(id), revision, era);
    this.#cache.delete(ownerKey(owner));
    this.#shared.delete(owner.tenantId);
  }

  onChange(listener: ServerChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Here at once, and on the other nodes. */
  #announce({ owner: { tenantId, userId }, ...change }: ServerChange): void {
    this.#tell({ owner: { tenantId, userId }, ...change });
    this.#bus.broadcast({ kind: CHANGED, tenantId, userId, ...change }).catch(() => {
      // The bus is away. When it is back, every node forgets what it has and reads again.
    });
  }

  #tell(change: ServerChange): void {
    this.#cache.delete(ownerKey(change.owner));
    if (change.isShared === true) this.#shared.delete(change.owner.tenantId);
    for (const listener of this.#listeners) listener(change);
  }

  #sharedIn({ tenantId }: Owner): Promise<readonly ServerRecord[]> {
    return kept(this.#shared, tenantId, () => this.#repository.shared(tenantId));
  }

  async #orLent(
    principal: Principal,
    asked: Promise<ServerRecord>,
    isIt: (record: ServerRecord) => boolean,
  ): Promise<ServerRecord> {
    try {
      return await asked;
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== Code.NotFound) throw error;
      const shared = await this.#repository.shared(principal.tenantId);
      if (shared.length === 0) throw error;
      const { roles } = principal;
      const used = lentTo(principal, roles, shared, await this.#repository.all(principal)).find(isIt);
      const found = used ?? (roles.includes('admin') ? managedBy(principal, shared).find(isIt) : undefined);
      if (found !== undefined) return found;
      throw error;
    }
  }

  #forgetAll(): void {
    this.#shared.clear();
    for (const key of [...this.#cache.keys()]) {
      const [tenantId, userId]: readonly string[] = JSON.parse(key);
      if (tenantId !== undefined && userId !== undefined)
        this.#tell({ owner: { tenantId, userId }, serverId: undefined });
    }
  }
}

const SHARED = { isShared: true } as const;

function sharing({ sharedWith }: ServerRecord): Pick<ServerChange, 'isShared'> {
  return sharedWith === undefined ? {} : SHARED;
}

/** What is shared, as a principal manages or uses it. */
function lentFor(
  principal: Principal,
  shared: readonly ServerRecord[],
  own: readonly ServerRecord[],
): readonly ServerRecord[] {
  const { roles } = principal;
  return roles.includes('admin') ? managedBy(principal, shared) : lentTo(principal, roles, shared, own);
}

function kept(
  cache: LRUCache<string, Promise<readonly ServerRecord[]>>,
  key: string,
  load: () => Promise<readonly ServerRecord[]>,
): Promise<readonly ServerRecord[]> {
  const cached = cache.get(key);
  if (cached !== undefined) return cached;
  const loaded = load();
  cache.set(key, loaded);
  // What was forgotten meanwhile may be there again already.
  loaded.catch(() => cache.get(key) === loaded && cache.delete(key));
  return loaded;
}
