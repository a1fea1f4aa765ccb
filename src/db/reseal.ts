import type { PgColumn, PgTable } from 'drizzle-orm/pg-core';
import { Code, GatewayError } from '../protocol/errors.ts';
import { and, asc, eq, gt, isNotNull, sql } from './drizzle.ts';
import type { Engine, Orm } from './orm.ts';
import { run } from './run.ts';
import { oauthClients, oauthTokens, servers } from './schema.ts';
import type { Sealer, SealPlace } from './seal.ts';

/** What became of the secrets that the sealing key had not sealed. */
export interface ResealReport {
  readonly resealed: number;
  /** No key that the gateway has opens them. They are as they were. */
  readonly unreadable: number;
}

/** A column with sealed secrets, and what tells where they belong. */
interface SealedColumn {
  readonly table: PgTable;
  readonly sealed: PgColumn;
  readonly serverId: PgColumn;
  readonly tenantId: PgColumn;
  readonly userId: PgColumn;
  readonly field: SealPlace['field'];
}

const { id: serverId, tenantId, userId } = servers;
const OF_SERVERS = { table: servers, serverId, tenantId, userId };

/** All that is sealed and stays. */
const COLUMNS: readonly SealedColumn[] = [
  { ...OF_SERVERS, sealed: servers.sealedHeaders, field: 'headers' },
  { ...OF_SERVERS, sealed: servers.sealedEnv, field: 'env' },
  { ...OF_SERVERS, sealed: servers.sealedOAuth, field: 'oauth_grant' },
  { ...ofLogins(oauthTokens), field: 'oauth_tokens' },
  { ...ofLogins(oauthClients), field: 'oauth_client' },
];

interface SealedRow {
  readonly serverId: string;
  readonly tenantId: string;
  readonly userId: string;
  readonly sealed: string;
}

const BATCH = 200;

/**
 * Seals with the sealing key what another has sealed, of all owners. Others may read and change the same meanwhile: what has
 * changed is left as it is, since it was sealed anew. FailedPrecondition without a key.
 */
export async function reseal(engine: Engine, sealer: Sealer): Promise<ResealReport> {
  const { prefix } = sealer;
  if (prefix === undefined)
    throw new GatewayError(
      Code.FailedPrecondition,
      'There is no key to seal with: set DRAGON_ENCRYPTION_KEY',
    );
  let resealed = 0;
  let unreadable = 0;
  for (const column of COLUMNS) {
    let after = '';
    for (;;) {
      const rows = await run(engine, (orm) => outdated(orm, column, prefix, after));
      for (const row of rows) {
        const renewed = renew(sealer, column, row);
        if (renewed === undefined) unreadable++;
        else if (await run(engine, (orm) => replace(orm, column, row, renewed))) resealed++;
      }
      const last = rows.at(-1);
      if (last === undefined) break;
      after = last.sealed;
    }
  }
  return { resealed, unreadable };
}

/** How many secrets are stored, and how many of them no key opens. Nothing is changed. */
export async function countSealed(
  engine: Engine,
  sealer: Sealer,
): Promise<{ readonly sealed: number; readonly unreadable: number }> {
  let count = 0;
  let unreadable = 0;
  for (const column of COLUMNS) {
    let after = '';
    for (;;) {
      const rows = await run(engine, (orm) => outdated(orm, column, undefined, after));
      count += rows.length;
      unreadable += rows.filter((row) => openedBy(sealer, column, row) === undefined).length;
      const last = rows.at(-1);
      if (last === undefined) break;
      after = last.sealed;
    }
  }
  return { sealed: count, unreadable };
}

/** Those that do not begin so; all where no beginning is given. */
async function outdated(
  orm: Orm,
  { table, sealed, serverId, tenantId, userId }: SealedColumn,
  prefix: string | undefined,
  after: string,
): Promise<SealedRow[]> {
  const rows = await orm
    .select({ serverId, tenantId, userId, sealed })
    .from(table)
    .where(
      and(
        isNotNull(sealed),
        prefix === undefined ? undefined : sql`not starts_with(${sealed}, ${prefix})`,
        gt(sealed, after),
      ),
    )
    .orderBy(asc(sealed))
    .limit(BATCH);
  return rows as SealedRow[];
}

function renew(sealer: Sealer, { field }: SealedColumn, row: SealedRow): string | undefined {
  const secret = openedBy(sealer, { field }, row);
  return secret === undefined ? undefined : sealer.seal(secret, placeOf({ field }, row));
}

/** Undefined where no key opens it. */
function openedBy(sealer: Sealer, column: Pick<SealedColumn, 'field'>, row: SealedRow): string | undefined {
  try {
    return sealer.open(row.sealed, placeOf(column, row));
  } catch (error) {
    if (error instanceof GatewayError) return undefined;
    throw error;
  }
}

function placeOf(
  { field }: Pick<SealedColumn, 'field'>,
  { tenantId, userId, serverId }: SealedRow,
): SealPlace {
  return { owner: { tenantId, userId }, serverId, field };
}

/** Whether it was still what it had been. */
async function replace(orm: Orm, column: SealedColumn, row: SealedRow, renewed: string): Promise<boolean> {
  const changed = await orm
    .update(column.table)
    .set({ [nameIn(column)]: renewed })
    .where(and(eq(column.serverId, row.serverId), eq(column.sealed, row.sealed)))
    .returning({ serverId: column.serverId });
  return changed.length > 0;
}

/** The column as its table names it in code. */
function nameIn({ table, sealed }: SealedColumn): string {
  const [name] = Object.entries(table).find(([, column]) => column === sealed) ?? [];
  if (name === undefined) throw new TypeError('a column of another table');
  return name;
}

function ofLogins(table: typeof oauthTokens | typeof oauthClients) {
  const { serverId, tenantId, userId, sealed } = table;
  return { table, serverId, tenantId, userId, sealed };
}
