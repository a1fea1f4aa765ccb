import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { mintApiKey } from '../../src/auth/api-key.ts';
import { LOCAL_PRINCIPAL, type Owner } from '../../src/auth/principal.ts';
import type { NewApiKey } from '../../src/db/api-key-record.ts';
import { type Database, openDatabase } from '../../src/db/database.ts';
import { Code, GatewayError } from '../../src/protocol/errors.ts';
import { openElsewhere } from '../support/database-elsewhere.ts';
import { placeDatabase } from '../support/database-template.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';

interface Backend {
  open(): Promise<Database>;
  stop(): Promise<void>;
}

function embedded(open: (dataDir: string) => Promise<Database>): Backend {
  let dataDir: string | undefined;
  return {
    async open() {
      dataDir = await mkdtemp(join(tmpdir(), 'dragon-keys-'));
      await placeDatabase(dataDir);
      return await open(dataDir);
    },
    async stop() {
      if (dataDir !== undefined) await rm(dataDir, { recursive: true, force: true });
    },
  };
}

function postgresql(): Backend {
  let server: TestPostgres | undefined;
  return {
    async open() {
      server = await startPostgres();
      return await openDatabase({ databaseUrl: server.url, dataDir: '/nonexistent' });
    },
    stop: async () => await server?.stop(),
  };
}

const BACKENDS: Readonly<Record<string, Backend>> = {
  'embedded PostgreSQL': embedded((dataDir) => openDatabase({ dataDir })),
  'embedded PostgreSQL of another process': embedded((dataDir) => openElsewhere(dataDir, [])),
  PostgreSQL: postgresql(),
};

const me: Owner = LOCAL_PRINCIPAL;
const colleague: Owner = { tenantId: 'default', userId: 'other' };
const namesake: Owner = { tenantId: 'other', userId: 'local' };

function newKey(name: string, rest: Partial<NewApiKey> = {}): NewApiKey {
  const { id, hash } = mintApiKey();
  return { id, hash, name, scopes: ['mcp', 'manage'], roles: [], ...rest };
}

const notFound = (error: unknown) => error instanceof GatewayError && error.code === Code.NotFound;

for (const [name, backend] of Object.entries(BACKENDS)) {
  describe(`API keys in ${name}`, { timeout: 120_000 }, () => {
    let database: Database;
    before(async () => {
      database = await backend.open();
      await database.addOwner(colleague);
      await database.addOwner(namesake);
    });
    after(async () => {
      await database?.close();
      await backend.stop();
    });

    it('are found by their id, whole', async () => {
      const expiresAt = new Date('2099-01-02T03:04:05Z');
      const key = newKey('laptop “ü”', { expiresAt, scopes: ['admin'], roles: ['büro', 'sales'] });
      const created = await database.apiKeys.create(me, key);
      const { hash, ...rest } = key;
      const { createdAt } = created;
      const owner = { tenantId: me.tenantId, userId: me.userId };
      assert.deepEqual(created, { ...rest, owner, createdAt });
      assert.deepEqual(await database.apiKeys.find(key.id), { ...created, hash });
      assert.equal(await database.apiKeys.find(mintApiKey().id), undefined);
    });

    it('are listed for their owner, page by page', async () => {
      const names = ['a', 'b', 'c'];
      for (const each of names) await database.apiKeys.create(colleague, newKey(each));
      const first = await database.apiKeys.page(colleague, { pageSize: 2 });
      const { nextPageToken: pageToken = '' } = first;
      const second = await database.apiKeys.page(colleague, { pageSize: 2, pageToken });
      assert.deepEqual(
        [...first.items, ...second.items].map((key) => key.name),
        names,
      );
      assert.deepEqual([first.total, second.nextPageToken], [3, undefined]);
      assert.equal((await database.apiKeys.page(namesake, { pageSize: 2 })).total, 0);
      assert.ok([...first.items].every((key) => !('hash' in key)));
    });

    it('are revoked once, by whom they belong to', async () => {
      const { id } = await database.apiKeys.create(me, newKey('old'));
      await assert.rejects(database.apiKeys.revoke('other', undefined, id), notFound);
      await assert.rejects(database.apiKeys.revoke('default', colleague.userId, id), notFound);
      assert.equal((await database.apiKeys.find(id))?.revokedAt, undefined);
      const { revokedAt } = await database.apiKeys.revoke('default', me.userId, id);
      assert.ok(revokedAt instanceof Date);
      assert.deepEqual((await database.apiKeys.revoke('default', undefined, id)).revokedAt, revokedAt);
      assert.deepEqual((await database.apiKeys.find(id))?.revokedAt, revokedAt);
    });

    it('are noted as used once a minute', async () => {
      const { id } = await database.apiKeys.create(me, newKey('used'));
      await database.apiKeys.noteUse(id);
      const first = (await database.apiKeys.find(id))?.lastUsedAt;
      assert.ok(first instanceof Date);
      await database.apiKeys.noteUse(id);
      assert.deepEqual((await database.apiKeys.find(id))?.lastUsedAt, first);
    });
  });
}
