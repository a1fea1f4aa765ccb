import { z } from 'zod';
import { Code } from '../../protocol/errors.ts';
import type { CatalogKey, CatalogStore, CatalogWrite, StoredCatalog, StoredCheck } from '../catalog-store.ts';
import type { Keys } from '../keys.ts';
import type { Commands } from './commands.ts';
import { asArray, asBuffer, asNumber, asOptionalString } from './replies.ts';

/** Rises when older nodes could not make sense of a record; they then ask the server for themselves. */
const RECORD_VERSION = 1;

const Check = z.object({
  checkedAt: z.number(),
  error: z.object({ code: z.enum(Code), message: z.string() }).exactOptional(),
  failingSince: z.number().exactOptional(),
});

const CheckRecord = z.object({
  v: z.literal(RECORD_VERSION),
  check: Check,
  /** The lists are too large to be shared. */
  private: z.boolean(),
  capabilities: z.record(z.string(), z.unknown()),
});

/** A hash for each catalog, and one for each server's last check, on the same server of a cluster. */
export class RedisCatalogStore implements CatalogStore {
  readonly #commands: Commands;
  readonly #keys: Keys;

  constructor(commands: Commands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
  }

  async read(key: CatalogKey, known: string | undefined): Promise<StoredCatalog | undefined> {
    const reply = await this.#commands.runBinary('readCatalog-1', [this.#keys.catalog(key)], [known ?? '']);
    if (reply === null) return undefined;
    const [token, version, text, digest, bytes] = asArray(reply).map((part) =>
      part === null ? undefined : asBuffer(part),
    );
    const record = parseRecord(text?.toString());
    const content =
      record === undefined || record.private
        ? undefined
        : {
            check: record.check,
            ...(digest === undefined ? {} : { digest: digest.toString() }),
            ...(bytes === undefined ? {} : { bytes }),
          };
    return { token: asNumber(token?.toString()), version: asNumber(version?.toString()), content };
  }

  async write(key: CatalogKey, catalog: CatalogWrite, ttlMs: number): Promise<number | undefined> {
    const { token, check, capabilities, body } = catalog;
    const isPrivate = body === 'private';
    const record = JSON.stringify({ v: RECORD_VERSION, check, private: isPrivate, capabilities });
    const lists = body === undefined || isPrivate ? ['', ''] : [body.digest, body.bytes];
    const args = [token, ttlMs, key.revision, record, ...lists];
    const reply = await this.#commands.run('writeCatalog-2', this.#both(key), args);
    return reply === null ? undefined : asNumber(reply);
  }

  async keep(key: CatalogKey, ttlMs: number): Promise<boolean> {
    return (await this.#commands.run('keepCatalog-2', this.#both(key), [ttlMs])) === 1;
  }

  async lastCheck(serverId: string): Promise<StoredCheck | undefined> {
    const reply = await this.#commands.command('HMGET', this.#keys.check(serverId), 'revision', 'record');
    const [revision, text] = asArray(reply).map(asOptionalString);
    const record = parseRecord(text);
    if (record === undefined) return undefined;
    return { revision: asNumber(revision), check: record.check, capabilities: record.capabilities };
  }

  async noteCheck(serverId: string, stored: StoredCheck, ttlMs: number): Promise<void> {
    const { revision, check, capabilities } = stored;
    const record = JSON.stringify({ v: RECORD_VERSION, check, private: false, capabilities });
    await this.#commands.run('noteCheck-1', [this.#keys.check(serverId)], [ttlMs, revision, record]);
  }

  #both(key: CatalogKey): [string, string] {
    return [this.#keys.catalog(key), this.#keys.check(key.serverId)];
  }
}

/** Undefined for what a later version has written. */
function parseRecord(text: string | undefined): z.infer<typeof CheckRecord> | undefined {
  return text === undefined ? undefined : CheckRecord.safeParse(JSON.parse(text)).data;
}
