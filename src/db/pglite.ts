import { access, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import type { PGlite } from '@electric-sql/pglite';
import { Code, GatewayError } from '../protocol/errors.ts';
import { loadPgliteDriver } from './drizzle.ts';
import { migrate } from './migrate.ts';
import type { Engine } from './orm.ts';

/** The default of 128 MB would be touched whole at every start; the configuration of a gateway needs little. */
const SHARED_BUFFERS = ['-c', 'shared_buffers=4MB'];

/**
 * The one WebAssembly function that V8 may optimise, by its number: that of an import, so none. The database's parser alone
 * takes three seconds of a processor and 600 MB to optimise, which configuration never earns back, and a stop waits for it.
 * A greater `--wasm-tiering-budget` only puts that off: each turn of the parser's loop counts as all of its 300 KB. It holds
 * for all WebAssembly that is compiled from now on.
 */
const OPTIMISED_FUNCTION = 0;

/** Opens the embedded PostgreSQL in `<dataDir>/db`, schema up to date. The caller holds the lock of the data folder. */
export async function openPglite(dataDir: string): Promise<Engine> {
  const folder = join(dataDir, 'db');
  const marker = join(dataDir, 'db.incomplete');
  // What is there was never finished, so it holds nothing: a start was killed while it made the database.
  if (await exists(marker)) await rm(folder, { recursive: true, force: true });
  if (!(await exists(folder))) await writeFile(marker, '', { mode: 0o600 });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const client = await start(folder);
  try {
    await rm(marker, { force: true });
    const orm = loadPgliteDriver()(client);
    await migrate(orm);
    return { orm, reset: () => undefined, close: () => client.close() };
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** As {@link openPglite}, of a database that is there, with the schema as it is; undefined where there is none. */
export async function openPgliteAsIs(dataDir: string): Promise<Engine | undefined> {
  const folder = join(dataDir, 'db');
  if (!(await exists(folder)) || (await exists(join(dataDir, 'db.incomplete')))) return undefined;
  const client = await start(folder);
  return { orm: loadPgliteDriver()(client), reset: () => undefined, close: () => client.close() };
}

async function start(folder: string): Promise<PGlite> {
  // Loaded here: it is large, and with DATABASE_URL it is never needed.
  const { PGlite: Embedded } = await import('@electric-sql/pglite');
  setFlagsFromString(`--wasm-tier-up-filter=${OPTIMISED_FUNCTION}`);
  try {
    return await Embedded.create(folder, {
      startParams: [...Embedded.defaultStartParams, ...SHARED_BUFFERS],
    });
  } catch (cause) {
    throw new GatewayError(
      Code.FailedPrecondition,
      `The embedded database in ${folder} (DRAGON_DATA_DIR) cannot be opened: it is damaged, or made by another version`,
      { cause },
    );
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
