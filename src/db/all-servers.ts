import { and, asc, eq, gt } from './drizzle.ts';
import type { Orm } from './orm.ts';
import type { ServerRow } from './owned-servers.ts';
import { servers } from './schema.ts';

/**
 * Servers of all owners, for what the gateway does by itself: the one place where the table is read past an owner. What
 * somebody asks for goes through `owned-servers.ts`.
 */
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
