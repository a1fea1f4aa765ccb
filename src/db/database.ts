import type { KeyObject } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import type { Owner } from '../auth/principal.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Logger, ObserveStore } from '../telemetry/types.ts';
import type { ApiKeyRepository } from './api-key-record.ts';
import { DatabaseApiKeyRepository } from './api-key-repository.ts';
import { type DataLock, lockDataFolder } from './data-lock.ts';
import { sql } from './drizzle.ts';
import { driverError } from './errors.ts';
import type { EventStore } from './event-record.ts';
import { DatabaseEventStore } from './event-store.ts';
import { loadKeys } from './keys.ts';
import { DatabaseLoginRepository } from './login-repository.ts';
import { addOwner } from './migrate.ts';
import type { LoginRepository } from './oauth-record.ts';
import type { Engine } from './orm.ts';
import { openPglite } from './pglite.ts';
import { openPostgres } from './postgres.ts';
import { type ResealReport, reseal } from './reseal.ts';
import { probe, run } from './run.ts';
import { createSealer } from './seal.ts';
import type { EveryServer, ServerRepository } from './server-record.ts';
import { DatabaseServerRepository } from './server-repository.ts';

export interface DatabaseOptions {
  /** PostgreSQL; the embedded database in `dataDir` when absent. */
  readonly databaseUrl?: string | undefined;
  /** Absolute path; made when missing. Not touched with `databaseUrl`. */
  readonly dataDir: string;
  /** Keys for secrets: the first seals, all open. */
  readonly encryptionKeys?: readonly KeyObject[];
  readonly observe?: ObserveStore;
  /** Told once that PostgreSQL is waited for, and once that it is there. */
  readonly logger?: Logger;
  /** Milliseconds to wait for a PostgreSQL that is not there. Default: 10 s. */
  readonly startTimeoutMs?: number;
  /** Milliseconds to wait for one that says that it is starting or recovering. Default: 60 s. */
  readonly recoveryTimeoutMs?: number;
}

export interface Database {
  readonly kind: 'embedded' | 'postgresql';
  readonly servers: ServerRepository & EveryServer;
  readonly apiKeys: ApiKeyRepository;
  readonly events: EventStore;
  /** See {@link reseal}. */
  reseal(): Promise<ResealReport>;
  readonly logins: LoginRepository;
  /** Makes sure that a tenant and a user exist. */
  addOwner(owner: Owner): Promise<void>;
  /** Unavailable when the database does not answer within two seconds. */
  ping(): Promise<void>;
  /** May be called more than once. */
  close(): Promise<void>;
}

/**
 * Opens the database with its schema up to date and the local user in it. Throws FailedPrecondition or Unavailable
 * with a message for the operator that names the setting.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { databaseUrl, dataDir, encryptionKeys = [], observe } = options;
  if (databaseUrl !== undefined) {
    const engine = observed(await waitFor(databaseUrl, options), observe);
    return database('postgresql', engine, encryptionKeys, () => engine.close());
  }
  const lock = await takeFolder(dataDir);
  try {
    const keys = await loadKeys(encryptionKeys, dataDir);
    const engine = observed(await openPglite(dataDir), observe);
    return database('embedded', engine, keys, () => engine.close().finally(() => lock.release()));
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function waitFor(databaseUrl: string, options: DatabaseOptions): Promise<Engine> {
  const { logger, startTimeoutMs = 10_000, recoveryTimeoutMs = 60_000 } = options;
  const startedAt = performance.now();
  let isWaiting = false;
  const engine = await openPostgres(databaseUrl, {
    awayMs: startTimeoutMs,
    startingMs: recoveryTimeoutMs,
    onWait(reason) {
      isWaiting = true;
      logger?.warn('PostgreSQL is not there yet, and is waited for', { reason });
    },
  });
  const seconds = Math.round((performance.now() - startedAt) / 10) / 100;
  if (isWaiting) logger?.info('PostgreSQL is there', { seconds });
  return engine;
}

function observed(engine: Engine, observe: ObserveStore | undefined): Engine {
  if (observe !== undefined) engine.observe = observe;
  return engine;
}

function database(
  kind: Database['kind'],
  engine: Engine,
  keys: readonly KeyObject[],
  end: () => Promise<void>,
): Database {
  const sealer = createSealer(keys);
  let ended: Promise<void> | undefined;
  return {
    kind,
    servers: new DatabaseServerRepository(engine, sealer),
    apiKeys: new DatabaseApiKeyRepository(engine),
    events: new DatabaseEventStore(engine),
    reseal: () => reseal(engine, sealer),
    logins: new DatabaseLoginRepository(engine, sealer),
    addOwner: (owner) => run(engine, (orm) => addOwner(orm, owner)),
    ping: () => probe(engine, async (orm) => await orm.execute(sql`select 1`)),
    close: () => {
      ended ??= end();
      return ended;
    },
  };
}

async function takeFolder(dataDir: string): Promise<DataLock> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    return await lockDataFolder(dataDir);
  } catch (error) {
    if (error instanceof GatewayError) throw error;
    const reason = driverError(error)?.code ?? 'unknown error';
    throw new GatewayError(
      Code.FailedPrecondition,
      `The data folder ${dataDir} (DRAGON_DATA_DIR) cannot be used: ${reason}`,
      { cause: error },
    );
  }
}
