import type { SQL } from 'drizzle-orm';
import type { Owner } from '../auth/principal.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { ApiKeyRecord, ApiKeyRepository, NewApiKey, StoredApiKey } from './api-key-record.ts';
import { and, asc, count, eq, gt, isNull, lt, or, sql } from './drizzle.ts';
import type { Engine } from './orm.ts';
import { decodePageToken, encodePageToken } from './page-token.ts';
import { run } from './run.ts';
import { apiKeys } from './schema.ts';
import type { Page, PageRequest } from './server-record.ts';

type Row = typeof apiKeys.$inferSelect;

/** API keys in the database: the one place where the table is read and written. */
export class DatabaseApiKeyRepository implements ApiKeyRepository {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async create(owner: Owner, key: NewApiKey): Promise<ApiKeyRecord> {
    const { tenantId, userId } = owner;
    const row = { ...key, tenantId, userId };
    const [created] = await run(this.#engine, (orm) => orm.insert(apiKeys).values(row).returning());
    if (created === undefined) throw new GatewayError(Code.Internal, 'Internal error');
    return toRecord(created);
  }

  async find(id: string): Promise<StoredApiKey | undefined> {
    const [row] = await run(this.#engine, (orm) => orm.select().from(apiKeys).where(eq(apiKeys.id, id)));
    return row && { ...toRecord(row), hash: row.hash };
  }

  async page(owner: Owner, { pageSize, pageToken }: PageRequest): Promise<Page<ApiKeyRecord>> {
    const after = pageToken === undefined ? undefined : gt(apiKeys.ordinal, decodePageToken(pageToken));
    const [rows, [counted]] = await run(this.#engine, (orm) =>
      Promise.all([
        // One row more than asked for tells whether there is a next page.
        orm
          .select()
          .from(apiKeys)
          .where(ownedBy(owner, after))
          .orderBy(asc(apiKeys.ordinal))
          .limit(pageSize + 1),
        orm.select({ total: count() }).from(apiKeys).where(ownedBy(owner)),
      ]),
    );
    const shown = rows.slice(0, pageSize);
    const last = shown.at(-1);
    const hasMore = rows.length > pageSize && last !== undefined;
    return {
      items: shown.map(toRecord),
      total: counted?.total ?? 0,
      ...(hasMore ? { nextPageToken: encodePageToken(last.ordinal) } : {}),
    };
  }

  async revoke(tenantId: string, userId: string | undefined, id: string): Promise<ApiKeyRecord> {
    const whose = userId === undefined ? undefined : eq(apiKeys.userId, userId);
    const [row] = await run(this.#engine, (orm) =>
      orm
        .update(apiKeys)
        .set({ revokedAt: sql`coalesce(${apiKeys.revokedAt}, now())` })
        .where(and(eq(apiKeys.tenantId, tenantId), whose, eq(apiKeys.id, id)))
        .returning(),
    );
    if (row === undefined)
      throw new GatewayError(
        Code.NotFound,
        `There is no API key with the id ${JSON.stringify(id.slice(0, 64))}`,
      );
    return toRecord(row);
  }

  async noteUse(id: string): Promise<void> {
    const unnoted = or(isNull(apiKeys.lastUsedAt), lt(apiKeys.lastUsedAt, sql`now() - interval '1 minute'`));
    await run(this.#engine, (orm) =>
      orm
        .update(apiKeys)
        .set({ lastUsedAt: sql`now()` })
        .where(and(eq(apiKeys.id, id), unnoted)),
    );
  }
}

function ownedBy({ tenantId, userId }: Owner, condition?: SQL): SQL | undefined {
  return and(eq(apiKeys.tenantId, tenantId), eq(apiKeys.userId, userId), condition);
}

function toRecord(row: Row): ApiKeyRecord {
  return {
    id: row.id,
    owner: { tenantId: row.tenantId, userId: row.userId },
    name: row.name,
    scopes: row.scopes,
    roles: row.roles,
    createdAt: row.createdAt,
    ...(row.expiresAt === null ? {} : { expiresAt: row.expiresAt }),
    ...(row.revokedAt === null ? {} : { revokedAt: row.revokedAt }),
    ...(row.lastUsedAt === null ? {} : { lastUsedAt: row.lastUsedAt }),
  };
}
