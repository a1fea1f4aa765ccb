import { holderOf, lockDataFolder } from './data-lock.ts';
import type { DatabaseOptions } from './database.ts';
import { sql } from './drizzle.ts';
import { driverError } from './errors.ts';
import { findKeys } from './keys.ts';
import { type MigrationState, migrationState } from './migrate.ts';
import type { Engine } from './orm.ts';
import { openPgliteAsIs } from './pglite.ts';
import { openPostgresAsIs } from './postgres.ts';
import { countSealed } from './reseal.ts';
import { run } from './run.ts';
import { createSealer } from './seal.ts';

/** What a database is like that a gateway with these options would open. */
export type DatabaseReport =
  | {
      readonly state: 'open';
      readonly kind: 'embedded' | 'postgresql';
      /** As PostgreSQL says it. */
      readonly version: string;
      readonly migrations: MigrationState;
      /** Undefined where the schema is not there yet. */
      readonly secrets: { readonly sealed: number; readonly unreadable: number } | undefined;
      /** Milliseconds by which the clock of this process is ahead of the database's. */
      readonly clockAheadMs: number;
      readonly hasKey: boolean;
    }
  /** An embedded one that a gateway has open, or whoever holds its folder: it is not looked into. */
  | { readonly state: 'held'; readonly by: string }
  /** An embedded one that the first start makes. */
  | { readonly state: 'absent' };

/** Looks without a change. Rejects with what a start would fail with, for the operator. */
export async function inspectDatabase(options: DatabaseOptions): Promise<DatabaseReport> {
  const { databaseUrl, dataDir, encryptionKeys = [] } = options;
  if (databaseUrl !== undefined) {
    return report('postgresql', await openPostgresAsIs(databaseUrl), createSealer(encryptionKeys));
  }
  const by = await holderOf(dataDir);
  if (by !== undefined) return { state: 'held', by };
  const keys = await findKeys(encryptionKeys, dataDir);
  const lock = await lockDataFolder(dataDir, 'look').catch((error: unknown) => {
    // Nothing was started here yet.
    if (driverError(error)?.code === 'ENOENT') return undefined;
    throw error;
  });
  if (lock === undefined) return { state: 'absent' };
  try {
    const engine = await openPgliteAsIs(dataDir);
    return engine === undefined ? { state: 'absent' } : await report('embedded', engine, createSealer(keys));
  } finally {
    await lock.release();
  }
}

async function report(
  kind: 'embedded' | 'postgresql',
  engine: Engine,
  sealer: ReturnType<typeof createSealer>,
): Promise<DatabaseReport> {
  try {
    const asked = Date.now();
    const [row] = await run(engine, async (orm) => rowsOf(await orm.execute(CLOCK)));
    const now = (asked + Date.now()) / 2;
    const migrations = await run(engine, migrationState);
    return {
      state: 'open',
      kind,
      version: String(row?.['version'] ?? ''),
      clockAheadMs: Math.round(now - Number(row?.['now'])),
      migrations,
      secrets: migrations.pending.length === 0 ? await countSealed(engine, sealer) : undefined,
      hasKey: sealer.prefix !== undefined,
    };
  } finally {
    await engine.close();
  }
}

const CLOCK = sql`select current_setting('server_version') as version, extract(epoch from clock_timestamp()) * 1000 as now`;

/** One driver answers a list, the other an object with one. */
function rowsOf(answer: unknown): readonly Readonly<Record<string, unknown>>[] {
  if (Array.isArray(answer)) return answer;
  const rows: unknown =
    typeof answer === 'object' && answer !== null ? Reflect.get(answer, 'rows') : undefined;
  return Array.isArray(rows) ? rows : [];
}
