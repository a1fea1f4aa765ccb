import type { Owner, Role } from '../auth/principal.ts';
import type { Page, PageRequest } from './server-record.ts';

/** `mcp`: the MCP endpoint. `manage`: the management API. `admin`: that, for all users of the tenant. */
export type ApiKeyScope = 'mcp' | 'manage' | 'admin';

/** What is known of an API key. The key itself is known to nobody but its holder. */
export interface ApiKeyRecord {
  readonly id: string;
  readonly owner: Owner;
  /** For people, to tell keys apart. */
  readonly name: string;
  readonly scopes: readonly ApiKeyScope[];
  /** Beside those that scopes give. Each once, in order of the alphabet. */
  readonly roles: readonly Role[];
  readonly createdAt: Date;
  /** Absent: never. */
  readonly expiresAt?: Date;
  readonly revokedAt?: Date;
  /** To the minute; absent: never. */
  readonly lastUsedAt?: Date;
}

/** With what a key that is presented is compared to: SHA-256 of it, in base64url. */
export interface StoredApiKey extends ApiKeyRecord {
  readonly hash: string;
}

export type NewApiKey = Pick<StoredApiKey, 'id' | 'name' | 'scopes' | 'roles' | 'hash' | 'expiresAt'>;

/** API keys as they are stored. Rejects with Unavailable while the database is away. */
export interface ApiKeyRepository {
  /** The owner is in the database. */
  create(owner: Owner, key: NewApiKey): Promise<ApiKeyRecord>;
  /** Whoever's it is: for finding out who presents it, and for nothing else. */
  find(id: string): Promise<StoredApiKey | undefined>;
  /** An owner's keys, in order of their making, revoked ones included. */
  page(owner: Owner, request: PageRequest): Promise<Page<ApiKeyRecord>>;
  /** Within a tenant; `userId`: of this user alone. Rejects with NotFound. Does nothing to a key that is revoked already. */
  revoke(tenantId: string, userId: string | undefined, id: string): Promise<ApiKeyRecord>;
  /** Notes that a key was used, unless that has been noted for the last minute. */
  noteUse(id: string): Promise<void>;
}
