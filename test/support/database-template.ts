import { createHash, randomUUID } from 'node:crypto';
import { cpSync } from 'node:fs';
import { access, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const CACHE = join(ROOT, 'node_modules', '.cache', 'databases');

let template: Promise<string> | undefined;

/**
 * Puts an embedded database with nothing in it into a data folder that has none, as a first start makes it: a copy costs
 * far less.
 */
export async function placeDatabase(dataDir: string): Promise<void> {
  const folder = join(dataDir, 'db');
  if (await exists(folder)) return;
  template ??= findTemplate();
  // A thousand small files: one promise for each would cost seven times as much.
  cpSync(await template, folder, { recursive: true });
}

/** One for each state of the schema and each version of the database, kept between runs. */
async function findTemplate(): Promise<string> {
  const folder = join(CACHE, await fingerprint());
  if (await exists(folder)) return folder;
  const draft = join(CACHE, `draft-${randomUUID()}`);
  await mkdir(draft, { recursive: true });
  try {
    // Only whoever makes the template loads what a database takes.
    const { openPglite } = await import('../../src/db/pglite.ts');
    await (await openPglite(draft)).close();
    // Where another process was faster, its is as good.
    await rename(join(draft, 'db'), folder).catch(async (error) => {
      if (!(await exists(folder))) throw error;
    });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return folder;
}

async function fingerprint(): Promise<string> {
  const hash = createHash('sha256');
  const migrations = (await readdir(join(ROOT, 'drizzle'), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort();
  const engine = join(ROOT, 'node_modules', '@electric-sql', 'pglite', 'package.json');
  for (const file of [engine, ...migrations]) hash.update(await readFile(file));
  return hash.digest('hex').slice(0, 16);
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
