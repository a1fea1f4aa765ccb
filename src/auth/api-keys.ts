import { LRUCache } from 'lru-cache';
import type { Bus } from '../coordination/bus.ts';
import type { ApiKeyRecord, ApiKeyRepository, ApiKeyScope, StoredApiKey } from '../db/api-key-record.ts';
import type { Page, PageRequest } from '../db/server-record.ts';
import { type EventLog, NO_EVENTS } from '../events/event.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { API_KEY_PREFIX, apiKeyId, matches, mintApiKey } from './api-key.ts';
import { type Identity, type TokenScheme, unauthenticated } from './identity.ts';
import { KeyEnds } from './key-ends.ts';
import { isUnusual, keyEvent } from './key-events.ts';
import type { Owner, Role } from './principal.ts';
import { barredBy, rolesOfKey } from './scopes.ts';

export interface NewKey {
  readonly name: string;
  readonly scopes: readonly ApiKeyScope[];
  /** Of the operator's own: neither `user`, which everybody is, nor `admin`, which is a scope. Absent: none. */
  readonly roles?: readonly Role[];
  /** Absent: never. */
  readonly expiresAt?: Date;
}

export interface CreatedKey {
  readonly record: ApiKeyRecord;
  /** To be shown once. */
  readonly key: string;
}

/** API keys, for whoever manages them. Another tenant's, and for `revoke` another user's, are as unknown as ones that never were. */
export interface ApiKeyManager {
  create(owner: Owner, key: NewKey): Promise<CreatedKey>;
  page(owner: Owner, request: PageRequest): Promise<Page<ApiKeyRecord>>;
  /** `userId`: of this user alone; undefined: of any in the tenant. */
  revoke(tenantId: string, userId: string | undefined, id: string): Promise<ApiKeyRecord>;
}

/** How long a key is good before the database is asked again, and after news of its end were lost. */
const FRESH_MS = 60_000;

/** While the database is away. */
const RETRY_MS = 5_000;

/** Keys remembered here; and ids that nobody has, which are remembered apart so that they displace no key. */
const MAX_KEYS = 20_000;
const MAX_UNKNOWN = 10_000;
const UNKNOWN_MS = 5_000;

/** Questions to the database at a time: whoever invents ids must not keep it from others. */
const MAX_LOOKUPS = 64;

const REVOKED = 'keys.revoked';

interface Remembered {
  readonly stored: StoredApiKey;
  readonly freshUntil: number;
  /** That it was used is noted, or under way. */
  isNoted: boolean;
}

/** Makes and knows API keys. A key that is revoked on one node is forgotten on all at once. */
export class ApiKeys implements TokenScheme, ApiKeyManager {
  readonly #repository: ApiKeyRepository;
  readonly #bus: Bus;
  readonly #addOwner: (owner: Owner) => void | Promise<void>;
  readonly #events: EventLog;
  readonly #keys = new LRUCache<string, Remembered>({ max: MAX_KEYS });
  readonly #unknown = new LRUCache<string, true>({ max: MAX_UNKNOWN, ttl: UNKNOWN_MS });
  readonly #lookups = new Map<string, Promise<Remembered | undefined>>();
  readonly #listeners = new Set<(keyId: string | undefined) => void>();
  readonly #unsubscribe: readonly (() => void)[];
  readonly #ends = new KeyEnds((id) => this.#forget(id));
  #generation = 0;

  constructor(
    repository: ApiKeyRepository,
    bus: Bus,
    addOwner: (owner: Owner) => void | Promise<void>,
    events: EventLog = NO_EVENTS,
  ) {
    this.#repository = repository;
    this.#bus = bus;
    this.#addOwner = addOwner;
    this.#events = events;
    this.#unsubscribe = [
      bus.on(REVOKED, ({ id }) => this.#forget(String(id))),
      bus.onGap(() => this.#forget(undefined)),
    ];
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#ends.close();
  }

  /** Called when a key is over, revoked or expired; without an id when any may be. */
  onRevoked(listener: (keyId: string | undefined) => void): void {
    this.#listeners.add(listener);
  }

  /** Whether a key is still good, as the database has it. True while that is away: nobody revokes a key there either. */
  async isGood(id: string): Promise<boolean> {
    const found = await this.#find(id).catch(() => 'away' as const);
    if (found === 'away') return true;
    if (found === undefined || found.stored.revokedAt !== undefined) return false;
    return (found.stored.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY) > Date.now();
  }

  async create(owner: Owner, { name, scopes, roles = [], expiresAt }: NewKey): Promise<CreatedKey> {
    const { id, hash, key } = mintApiKey();
    await this.#addOwner(owner);
    const ending = expiresAt === undefined ? {} : { expiresAt };
    const sorted = [...new Set(roles)].sort();
    const record = await this.#repository.create(owner, { id, hash, name, scopes, roles: sorted, ...ending });
    this.#events.append(keyEvent(record, 'created'));
    return { record, key };
  }

  page(owner: Owner, request: PageRequest): Promise<Page<ApiKeyRecord>> {
    return this.#repository.page(owner, request);
  }

  async revoke(tenantId: string, userId: string | undefined, id: string): Promise<ApiKeyRecord> {
    const revoked = await this.#repository.revoke(tenantId, userId, id);
    this.#events.append(keyEvent(revoked, 'revoked'));
    this.#forget(id);
    this.#bus.broadcast({ kind: REVOKED, id }).catch(() => {
      // The bus is away. When it is back, every node forgets what it knows; until then its time runs out.
    });
    return revoked;
  }

  recognizes(token: string): boolean {
    return token.startsWith(API_KEY_PREFIX);
  }

  async identify(token: string): Promise<Identity> {
    const id = apiKeyId(token);
    if (id === undefined) throw unauthenticated('This is not an API key; a part of it may be missing');
    const found = await this.#find(id);
    if (found === undefined || !matches(token, found.stored.hash)) throw unauthenticated('Unknown API key');
    const { stored, freshUntil } = found;
    const endsAt = stored.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY;
    if (stored.revokedAt !== undefined) throw unauthenticated('This API key was revoked');
    if (endsAt <= Date.now()) throw unauthenticated('This API key has expired');
    this.#ends.watch(id, endsAt);
    this.#noteUse(found);
    return {
      principal: { ...stored.owner, roles: rolesOfKey(stored), keyId: id },
      until: Math.min(endsAt, freshUntil),
      barred: barredBy(stored.scopes),
      keyId: id,
    };
  }

  async #find(id: string): Promise<Remembered | undefined> {
    const known = this.#keys.get(id);
    if (known !== undefined && Date.now() < known.freshUntil) return known;
    if (this.#unknown.has(id)) return undefined;
    const before = this.#lookups.get(id);
    if (before !== undefined) return await before;
    if (known === undefined && this.#lookups.size >= MAX_LOOKUPS)
      throw new GatewayError(Code.Unavailable, 'Too many API keys are looked up at once', { retryAfter: 1 });
    const lookup = this.#lookUp(id).finally(() => this.#lookups.delete(id));
    this.#lookups.set(id, lookup);
    return await lookup;
  }

  async #lookUp(id: string): Promise<Remembered | undefined> {
    const generation = this.#generation;
    let stored: StoredApiKey | undefined;
    try {
      stored = await this.#repository.find(id);
    } catch (error) {
      const known = this.#keys.get(id);
      if (known === undefined || GatewayError.from(error).code !== Code.Unavailable) throw error;
      // Calls do without the database, and nobody revokes a key there either.
      return this.#remember(id, known.stored, RETRY_MS);
    }
    if (stored === undefined) {
      this.#unknown.set(id, true);
      return undefined;
    }
    // What was forgotten meanwhile may have been read before it changed.
    return this.#remember(id, stored, generation === this.#generation ? FRESH_MS : 0);
  }

  #remember(id: string, stored: StoredApiKey, forMs: number): Remembered {
    const remembered = { stored, freshUntil: Date.now() + forMs, isNoted: false };
    this.#keys.set(id, remembered);
    return remembered;
  }

  /** Its minute is the database's to watch, since a key is used on many nodes. */
  #noteUse(found: Remembered): void {
    if (found.isNoted) return;
    found.isNoted = true;
    if (isUnusual(found.stored)) this.#events.append(keyEvent(found.stored, 'used'));
    this.#repository.noteUse(found.stored.id).catch(() => {
      // A minute later there is another chance.
    });
  }

  /** A key is kept for when the database is away, but not believed without having asked it. */
  #forget(id: string | undefined): void {
    this.#generation++;
    const ids = id === undefined ? [...this.#keys.keys()] : [id];
    for (const key of ids) {
      const known = this.#keys.get(key);
      if (known === undefined) continue;
      if (id === undefined) this.#keys.set(key, { ...known, freshUntil: 0 });
      else this.#keys.delete(key);
    }
    for (const listener of this.#listeners) listener(id);
  }
}
