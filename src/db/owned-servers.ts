import type { SQL } from 'drizzle-orm';
import type { Owner } from '../auth/principal.ts';
import { and, asc, count, eq, sql } from './drizzle.ts';
import type { Orm } from './orm.ts';
import { servers } from './schema.ts';

export type ServerRow = typeof servers.$inferSelect;
type NewRow = Omit<typeof servers.$inferInsert, 'tenantId' | 'userId'>;

/** The columns that hold what an owner chose. */
export type ServerColumns = Omit<NewRow, 'id' | 'revision' | 'createdAt' | 'updatedAt'>;

type Era = ServerRow['era'];

/**
 * An owner's servers: but for `all-servers.ts` the one place where the table is read and written. Nothing returned here
 * can reach past the owner, so a forgotten condition elsewhere cannot either.
 */
export function ownedServers(orm: Orm, owner: Owner) {
  const mine = (condition?: SQL): SQL | undefined =>
    and(eq(servers.tenantId, owner.tenantId), eq(servers.userId, owner.userId), condition);

  return {
    select: async (condition?: SQL, limit?: number): Promise<ServerRow[]> => {
      const query = orm.select().from(servers).where(mine(condition)).orderBy(asc(servers.ordinal));
      return limit === undefined ? await query : await query.limit(limit);
    },
    count: async (): Promise<number> => {
      const [row] = await orm.select({ total: count() }).from(servers).where(mine());
      return row?.total ?? 0;
    },
    insert: async (row: NewRow): Promise<ServerRow | undefined> => {
      const values = { ...row, tenantId: owner.tenantId, userId: owner.userId };
      const [inserted] = await orm.insert(servers).values(values).returning();
      return inserted;
    },
    /** Nothing where there is no such server, or its revision is not the expected one. */
    update: async (
      id: string,
      columns: Partial<ServerColumns>,
      revision?: number,
    ): Promise<ServerRow | undefined> => {
      const expected = revision === undefined ? undefined : eq(servers.revision, revision);
      const [updated] = await orm
        .update(servers)
        .set({ ...columns, revision: sql`${servers.revision} + 1`, updatedAt: sql`now()` })
        .where(mine(and(eq(servers.id, id), expected)))
        .returning();
      return updated;
    },
    noteEra: async (id: string, revision: number, era: Era): Promise<void> => {
      const expected = and(eq(servers.id, id), eq(servers.revision, revision));
      await orm.update(servers).set({ era }).where(mine(expected));
    },
    delete: async (id: string): Promise<ServerRow | undefined> => {
      const [deleted] = await orm
        .delete(servers)
        .where(mine(eq(servers.id, id)))
        .returning();
      return deleted;
    },
  };
}

export type OwnedServers = ReturnType<typeof ownedServers>;
