import type {
  CatalogBody,
  CatalogKey,
  CatalogStore,
  CatalogWrite,
  StoredCatalog,
} from '../coordination/catalog-store.ts';
import { GatewayError } from '../protocol/errors.ts';
import type { Logger } from '../telemetry/types.ts';
import { isSameCatalog, packCatalog, unpackCatalog } from './pack.ts';
import type { ServerCatalog } from './types.ts';
import type { CatalogState } from './watcher.ts';

/** A catalog that nobody watches is forgotten after this many milliseconds. */
const CATALOG_KEPT_MS = 15 * 60 * 1000;

/** Bytes, packed. A larger catalog is not put into the store: one command would hold up all others. */
const MAX_PACKED_BYTES = 4 * 1024 * 1024;

export interface SharedRecordOptions {
  readonly store: CatalogStore;
  readonly key: CatalogKey;
  readonly clientCapabilities: Readonly<Record<string, unknown>>;
  readonly logger: Logger;
}

/** What was read. */
export interface ReadRecord {
  /** Of the lease under which it was written. */
  readonly token: number;
  readonly version: number;
  /** Undefined for what this node cannot use, and has to ask the server for itself. */
  readonly state: CatalogState | undefined;
}

/** One catalog in the store, as this node reads and writes it. Rejects with Unavailable while the store is away. */
export class SharedRecord {
  readonly #options: SharedRecordOptions;
  /** Of what this node goes by: what it last wrote, or read and made its own. */
  version = 0;
  /** The lists that were last read or written, so that the same need not be sent again. */
  #lists: { readonly catalog: ServerCatalog; readonly digest: string } | undefined;
  /** Those that were last written. */
  #body: CatalogBody | undefined;

  constructor(options: SharedRecordOptions) {
    this.#options = options;
  }

  /** Undefined where nothing is stored. */
  async read(): Promise<ReadRecord | undefined> {
    const lists = this.#lists;
    const stored = await this.#options.store.read(this.#options.key, lists?.digest);
    if (stored === undefined) return undefined;
    const { token, version } = stored;
    return { token, version, state: await this.#toState(stored, lists) };
  }

  /** False: a later watcher has written. */
  async write({ catalog, error, checkedAt, failingSince }: CatalogState, token: number): Promise<boolean> {
    const { store, key, clientCapabilities } = this.#options;
    const body = catalog === undefined ? undefined : await this.#pack(catalog);
    const write: CatalogWrite = {
      token,
      capabilities: clientCapabilities,
      check: {
        checkedAt: checkedAt?.getTime() ?? 0,
        ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
        ...(failingSince === undefined ? {} : { failingSince }),
      },
      ...(body === undefined ? {} : { body: body.bytes.length > MAX_PACKED_BYTES ? 'private' : body }),
    };
    const version = await store.write(key, write, CATALOG_KEPT_MS);
    if (version !== undefined) this.version = version;
    return version !== undefined;
  }

  /** False: it is gone, and has to be written anew. */
  keep(): Promise<boolean> {
    return this.#options.store.keep(this.#options.key, CATALOG_KEPT_MS);
  }

  async #pack(catalog: ServerCatalog): Promise<CatalogBody> {
    const lists = this.#lists;
    const body = this.#body;
    if (lists !== undefined && body?.digest === lists.digest && isSameCatalog(lists.catalog, catalog))
      return body;
    const packed = await packCatalog(catalog);
    this.#body = packed;
    this.#lists = { catalog, digest: packed.digest };
    return packed;
  }

  async #toState(
    { content }: StoredCatalog,
    lists: { readonly catalog: ServerCatalog; readonly digest: string } | undefined,
  ): Promise<CatalogState | undefined> {
    if (content === undefined) return undefined;
    const { check, digest, bytes } = content;
    let catalog = digest === lists?.digest ? lists?.catalog : undefined;
    if (digest !== undefined && bytes !== undefined) {
      try {
        catalog = await unpackCatalog(bytes);
      } catch (err) {
        this.#options.logger.warn('a stored catalog could not be read', {
          server: this.#options.key.serverId,
          err,
        });
        return undefined;
      }
      this.#lists = { catalog, digest };
      this.#body = undefined;
    }
    const { error, failingSince, checkedAt } = check;
    return {
      catalog,
      error: error === undefined ? undefined : new GatewayError(error.code, error.message),
      checkedAt: new Date(checkedAt),
      failingSince,
    };
  }
}
