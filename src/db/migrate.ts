import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { LOCAL_PRINCIPAL, type Owner } from '../auth/principal.ts';
import { bigint, serial, sql, text } from './drizzle.ts';
import { driverError } from './errors.ts';
import type { Orm } from './orm.ts';
import { dragon, tenants, users } from './schema.ts';

/** The record that drizzle-kit keeps; not in schema.ts, because drizzle-kit makes it itself. */
const migrations = dragon.table('migrations', {
  id: serial('id').primaryKey(),
  hash: text('hash').notNull(),
  createdAt: bigint('created_at', { mode: 'number' }),
});

/** Two folders up from here is the package's root, from src/db as from dist/db. */
const FOLDER = new URL('../../drizzle/', import.meta.url);

/** Any number, always the same: advisory locks belong to a database, and this one is for its migrations. */
const LOCK = 7_215_634_102_938_471n;

const UNDEFINED_TABLE = '42P01';

const journalSchema = z.object({ entries: z.array(z.object({ tag: z.string(), when: z.number() })) });
type Migration = z.infer<typeof journalSchema>['entries'][number];

/**
 * Brings the schema up to date and adds the local user. Safe when many nodes start at once: one applies, the others
 * wait and find it done. All or nothing, in one transaction, which also works behind a pooler. A schema that is newer
 * than this version is left alone, so that nodes of the previous version can start during a deploy.
 */
export async function migrate(orm: Orm): Promise<void> {
  const journal = await readJournal();
  // The usual start finds nothing to do and needs no lock, nor the right to create anything.
  if (missing(journal.entries, await applied(orm)).length === 0) return;

  await orm.transaction(async (transaction) => {
    await transaction.execute(sql`select pg_advisory_xact_lock(${LOCK})`);
    await transaction.execute(sql`create schema if not exists dragon`);
    await transaction.execute(
      sql`create table if not exists dragon.migrations (id serial primary key, hash text not null, created_at bigint)`,
    );
    for (const migration of missing(journal.entries, await recorded(transaction))) {
      await apply(transaction, migration);
    }
    await addOwner(transaction, LOCAL_PRINCIPAL);
  });
}

export interface MigrationState {
  /** None was applied: the database is as it was before the first start. */
  readonly isNew: boolean;
  /** Names of those that were not applied yet. */
  readonly pending: readonly string[];
  /** How many were applied that this version does not have. */
  readonly later: number;
}

/** What {@link migrate} would find, looked at without a change. */
export async function migrationState(orm: Orm): Promise<MigrationState> {
  const { entries } = await readJournal();
  const done = await applied(orm);
  const known = new Set(entries.map(({ when }) => when));
  return {
    isNew: done.size === 0,
    pending: missing(entries, done).map(({ tag }) => tag),
    later: [...done].filter((when) => !known.has(when)).length,
  };
}

/** Makes sure that a tenant and a user exist, so that servers can be theirs. */
export async function addOwner(orm: Orm, owner: Owner): Promise<void> {
  await orm.insert(tenants).values({ id: owner.tenantId }).onConflictDoNothing();
  await orm.insert(users).values({ tenantId: owner.tenantId, id: owner.userId }).onConflictDoNothing();
}

async function readJournal(): Promise<z.infer<typeof journalSchema>> {
  return journalSchema.parse(JSON.parse(await readFile(new URL('meta/_journal.json', FOLDER), 'utf8')));
}

async function apply(orm: Orm, migration: Migration): Promise<void> {
  const script = await readFile(new URL(`${migration.tag}.sql`, FOLDER), 'utf8');
  for (const statement of script.split('--> statement-breakpoint')) await orm.execute(sql.raw(statement));
  const hash = createHash('sha256').update(script).digest('hex');
  await orm.insert(migrations).values({ hash, createdAt: migration.when });
}

function missing(all: readonly Migration[], done: ReadonlySet<number>): Migration[] {
  return all.filter((migration) => !done.has(migration.when));
}

async function applied(orm: Orm): Promise<ReadonlySet<number>> {
  try {
    return await recorded(orm);
  } catch (error) {
    if (driverError(error)?.code === UNDEFINED_TABLE) return new Set();
    throw error;
  }
}

async function recorded(orm: Orm): Promise<ReadonlySet<number>> {
  const rows = await orm.select({ when: migrations.createdAt }).from(migrations);
  return new Set(rows.flatMap(({ when }) => (when === null ? [] : [when])));
}
