import type { CatalogKey, CatalogStore, CatalogWrite, StoredCatalog, StoredCheck } from '../catalog-store.ts';
import type { MemoryHub } from './hub.ts';

export class MemoryCatalogStore implements CatalogStore {
  readonly #hub: MemoryHub;

  constructor(hub: MemoryHub) {
    this.#hub = hub;
  }

  async read(key: CatalogKey, known: string | undefined): Promise<StoredCatalog | undefined> {
    const stored = this.#hub.catalogs.get(idOf(key));
    if (stored === undefined) return undefined;
    const { token, version, check, body } = stored;
    if (body === 'private') return { token, version, content: undefined };
    const lists =
      body === undefined
        ? {}
        : { digest: body.digest, ...(body.digest === known ? {} : { bytes: Buffer.from(body.bytes) }) };
    return { token, version, content: { check: structuredClone(check), ...lists } };
  }

  async write(key: CatalogKey, catalog: CatalogWrite, ttlMs: number): Promise<number | undefined> {
    const { catalogs } = this.#hub;
    const before = catalogs.get(idOf(key));
    if (before !== undefined && before.token > catalog.token) return undefined;
    const version = Math.max((before?.version ?? 0) + 1, Date.now());
    const { token, check, capabilities, body } = structuredClone(catalog);
    const bytes = typeof body === 'object' ? { ...body, bytes: Buffer.from(body.bytes) } : body;
    catalogs.set(idOf(key), { token, version, check, body: bytes }, ttlMs);
    await this.noteCheck(key.serverId, { revision: key.revision, check, capabilities }, ttlMs);
    return version;
  }

  async keep(key: CatalogKey, ttlMs: number): Promise<boolean> {
    const isCheckKept = this.#hub.checks.keep(key.serverId, ttlMs);
    return this.#hub.catalogs.keep(idOf(key), ttlMs) && isCheckKept;
  }

  async lastCheck(serverId: string): Promise<StoredCheck | undefined> {
    return structuredClone(this.#hub.checks.get(serverId));
  }

  async noteCheck(serverId: string, check: StoredCheck, ttlMs: number): Promise<void> {
    const { checks } = this.#hub;
    if ((checks.get(serverId)?.revision ?? 0) > check.revision) return;
    checks.set(serverId, structuredClone(check), ttlMs);
  }
}

function idOf({ serverId, revision, scope }: CatalogKey): string {
  return JSON.stringify([serverId, revision, scope]);
}
