import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Code, GatewayError } from '../protocol/errors.ts';
import { hasCode } from './errors.ts';

const KEY_BYTES = 32;

/**
 * The keys of an embedded database, the sealing one first. Without a configured key it makes itself a key file,
 * `<dataDir>/key`, of mode 600. That file keeps opening what it sealed after a key is configured. The caller holds
 * the lock of the data folder. FailedPrecondition: the file is unusable.
 */
export async function loadKeys(
  configured: readonly KeyObject[],
  dataDir: string,
): Promise<readonly KeyObject[]> {
  const file = join(dataDir, 'key');
  const stored = await readKey(file);
  if (stored !== undefined) return [...configured, stored];
  return configured.length > 0 ? configured : [await makeKey(file)];
}

/** As {@link loadKeys}, and makes none. */
export async function findKeys(
  configured: readonly KeyObject[],
  dataDir: string,
): Promise<readonly KeyObject[]> {
  const stored = await readKey(join(dataDir, 'key'));
  return stored === undefined ? configured : [...configured, stored];
}

async function readKey(file: string): Promise<KeyObject | undefined> {
  let text: string;
  try {
    const { mode } = await stat(file);
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
      throw new GatewayError(
        Code.FailedPrecondition,
        `Other users can read the encryption key ${file}: run chmod 600 on it (DRAGON_DATA_DIR names its folder)`,
      );
    }
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    if (error instanceof GatewayError) throw error;
    throw new GatewayError(Code.FailedPrecondition, `The encryption key ${file} cannot be read`, {
      cause: error,
    });
  }
  const bytes = Buffer.from(text.trim(), 'base64');
  if (bytes.length !== KEY_BYTES) {
    throw new GatewayError(
      Code.FailedPrecondition,
      `The encryption key ${file} is damaged; expected ${KEY_BYTES} bytes in base64. Restore it from a backup, or remove it and set the secrets of your servers again`,
    );
  }
  return createSecretKey(bytes);
}

async function makeKey(file: string): Promise<KeyObject> {
  const bytes = randomBytes(KEY_BYTES);
  // Renamed into place when whole: a crash in between leaves no half key.
  const draft = `${file}.new`;
  await writeFile(draft, `${bytes.toString('base64')}\n`, { mode: 0o600, flush: true });
  await rename(draft, file);
  return createSecretKey(bytes);
}
