import { and, asc, eq, gt, isNotNull } from './drizzle.ts';
import type { Orm } from './orm.ts';
import type { ServerRow } from './owned-servers.ts';
import { servers } from './schema.ts';

/*
 * The one place where the table is read past an owner. What somebody asks for of their own goes through
 * `owned-servers.ts`.
 */

/** What owners of a tenant share, with whomever: who asks has to look with whom. */
export async function sharedServers(orm: Orm, tenantId: string): Promise<ServerRow[]> {
  return await orm
    .select()
    .from(servers)
    .where(and(eq(servers.tenantId, tenantId), isNotNull(servers.sharedWith)))
    .orderBy(asc(servers.ordinal));
}

/** Servers of all owners, for what the gateway does by itself. */
export async function enabledHttpServers(
  orm: Orm,
  afterId: string | undefined,
  limit: number,
): Promise<ServerRow[]> {
  const after = afterId === undefined ? undefined : gt(servers.id, afterId);
  return await orm
    .select()
    .from(servers)
    .where(and(eq(servers.enabled, true), eq(servers.kind, 'http'), after))
    .orderBy(asc(servers.id))
    .limit(limit);
}
