import assert from 'node:assert/strict';
import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { PGlite } from '@electric-sql/pglite';
import postgres from 'postgres';
import { LOCAL_PRINCIPAL, type Owner } from '../../src/auth/principal.ts';
import { type Database, openDatabase } from '../../src/db/database.ts';
import type { HttpTarget, ServerPatch, ServerSpec } from '../../src/db/server-record.ts';
import { Code, GatewayError } from '../../src/protocol/errors.ts';
import { openElsewhere } from '../support/database-elsewhere.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';

/** An adapter under test; every one of them has to pass the same suite. */
interface Engine {
  start(): Promise<void>;
  open(encryptionKeys: readonly KeyObject[]): Promise<Database>;
  /** Everything stored, as text; the database is closed. */
  dump(): Promise<string>;
  stop(): Promise<void>;
}

const TABLES = `select table_name as name from information_schema.tables where table_schema = 'dragon'`;
const rowsOf = (table: string) => `select to_jsonb(t) as row from dragon."${table}" t`;

type Open = (dataDir: string, encryptionKeys: readonly KeyObject[]) => Promise<Database>;

function embedded(
  open: Open = (dataDir, encryptionKeys) => openDatabase({ dataDir, encryptionKeys }),
): Engine {
  let dataDir: string;
  return {
    async start() {
      dataDir = await mkdtemp(join(tmpdir(), 'dragon-servers-'));
    },
    open: (encryptionKeys) => open(dataDir, encryptionKeys),
    async dump() {
      const client = await PGlite.create(join(dataDir, 'db'));
      const tables = await client.query<{ name: string }>(TABLES);
      const results = [];
      for (const { name } of tables.rows) results.push((await client.query(rowsOf(name))).rows);
      await client.close();
      // The files too, since a log or an old version of a row would be there.
      const files = await readdir(join(dataDir, 'db'), { recursive: true, withFileTypes: true });
      const contents = files
        .filter((file) => file.isFile())
        .map((file) => readFile(join(file.parentPath, file.name), 'latin1'));
      return JSON.stringify(results) + (await Promise.all(contents)).join('');
    },
    stop: () => rm(dataDir, { recursive: true }),
  };
}

function postgresql(): Engine {
  let server: TestPostgres;
  return {
    async start() {
      server = await startPostgres();
    },
    open: (encryptionKeys) =>
      openDatabase({ databaseUrl: server.url, dataDir: '/nonexistent', encryptionKeys }),
    async dump() {
      const client = postgres(server.url);
      const tables = await client.unsafe<{ name: string }[]>(TABLES);
      const results = await Promise.all(tables.map(({ name }) => client.unsafe(rowsOf(name))));
      await client.end();
      return JSON.stringify(results);
    },
    stop: () => server.stop(),
  };
}

const me: Owner = LOCAL_PRINCIPAL;
const colleague: Owner = { tenantId: 'default', userId: 'other' };
const namesake: Owner = { tenantId: 'other', userId: 'local' };
const strangers = {
  'another user of the tenant': colleague,
  'a user of the same id in another tenant': namesake,
};

const httpTarget: HttpTarget = {
  kind: 'http',
  url: 'https://example.com/mcp?x=1',
  headers: { Authorization: 'Bearer s3cret-header' },
};
const bareTarget: HttpTarget = { ...httpTarget, headers: {} };
const http: ServerSpec = {
  name: 'web',
  enabled: true,
  target: httpTarget,
};
const granted: ServerSpec = {
  name: 'granted',
  enabled: true,
  target: {
    ...bareTarget,
    oauth: {
      grant: 'client_credentials',
      clientId: 'c1ient',
      authMethod: 'client_secret_post',
      clientSecret: 's3cret-client',
      scopes: ['read'],
    },
  },
};
const stdio: ServerSpec = {
  name: 'files',
  enabled: false,
  toolPrefix: '',
  timeouts: { idleMs: 90_000, totalMs: 1_800_000 },
  toolTimeouts: { 'slow tool': { totalMs: 604_800_000 }, constructor: { idleMs: 1 } },
  target: {
    kind: 'stdio',
    command: '/usr/bin/npx',
    args: ['-y', 'a "b" \\ c', '', 'ünï\ncode 🐉', '{"not":"parsed"}'],
    env: { TOKEN: 's3cret-env', EMPTY: '' },
    cwd: '/tmp',
  },
};

const named = (name: string): ServerSpec => ({ ...http, name });

/** How a text would look in hex and in base64, wherever it stands among other bytes. */
function encodings(text: string): string[] {
  const base64 = [0, 1, 2].map((before) => {
    const encoded = Buffer.from('\0'.repeat(before) + text).toString('base64');
    return encoded.slice(before === 0 ? 0 : 4, -4);
  });
  return [text, Buffer.from(text).toString('hex'), ...base64];
}

function is(code: Code, field?: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof GatewayError, String(error));
    assert.equal(error.code, code, error.message);
    if (field !== undefined)
      assert.deepEqual(
        error.fields.map((violation) => violation.field),
        [field],
      );
    return true;
  };
}

const ENGINES: Readonly<Record<string, () => Engine>> = {
  embedded: () => embedded(),
  'embedded in another process': () => embedded(openElsewhere),
  postgresql,
};

for (const [engineName, makeEngine] of Object.entries(ENGINES)) {
  describe(`servers, ${engineName}`, () => {
    const engine = makeEngine();
    const key = createSecretKey(randomBytes(32));
    let database: Database;
    const servers = () => database.servers;

    before(async () => {
      await engine.start();
      database = await engine.open([key]);
      await database.addOwner(colleague);
      await database.addOwner(namesake);
    });
    after(async () => {
      await database?.close();
      await engine.stop();
    });
    beforeEach(async () => {
      for (const owner of [me, colleague, namesake]) {
        for (const { id } of await servers().all(owner)) await servers().delete(owner, id);
      }
    });

    it('come back as they went in', async () => {
      for (const spec of [http, stdio]) {
        const created = await servers().create(me, spec);
        const { id, owner, ordinal, revision, createdAt, updatedAt, ...rest } = created;
        assert.deepEqual(rest, spec);
        assert.match(id, /^[0-9a-f-]{36}$/);
        assert.deepEqual(owner, { tenantId: 'default', userId: 'local' });
        assert.equal(revision, 1);
        assert.ok(Number.isInteger(ordinal));
        assert.ok(createdAt instanceof Date && Math.abs(createdAt.getTime() - Date.now()) < 60_000);
        assert.deepEqual(updatedAt, createdAt);
        assert.deepEqual(await servers().get(me, id), created);
      }
    });

    it('keep what is absent absent', async () => {
      const spec: ServerSpec = {
        name: 'bare',
        enabled: true,
        target: { kind: 'stdio', command: 'x', args: [], env: {} },
      };
      const created = await servers().create(me, spec);
      for (const field of ['toolPrefix', 'timeouts', 'toolTimeouts', 'unreadable'])
        assert.ok(!(field in created));
      assert.ok(!('cwd' in created.target));
      assert.deepEqual(await servers().get(me, created.id), created);
    });

    it('are listed in order of registration', async () => {
      for (const name of ['c', 'a', 'b']) await servers().create(me, named(name));
      const all = await servers().all(me);
      assert.deepEqual(
        all.map((server) => server.name),
        ['c', 'a', 'b'],
      );
      assert.ok(all[0]!.ordinal < all[1]!.ordinal && all[1]!.ordinal < all[2]!.ordinal);
    });

    it('have names that are unique per owner', async () => {
      await servers().create(me, named('taken'));
      const other = await servers().create(me, named('other'));
      await assert.rejects(servers().create(me, named('taken')), is(Code.AlreadyExists));
      await assert.rejects(servers().update(me, other.id, { name: 'taken' }), is(Code.AlreadyExists));
      for (const stranger of Object.values(strangers)) await servers().create(stranger, named('taken'));
      await servers().create(me, named('Taken'));
    });

    it('of one name made at the same moment: one wins', async () => {
      const results = await Promise.allSettled(
        Array.from({ length: 10 }, () => servers().create(me, named('race'))),
      );
      const lost = results.filter((result) => result.status === 'rejected');
      assert.equal(lost.length, 9);
      for (const { reason } of lost) is(Code.AlreadyExists)(reason);
      assert.equal((await servers().all(me)).length, 1);
    });

    it('have names that fit in a tool name', async () => {
      for (const name of ['', 'a b', 'ü', 'a.b', 'x'.repeat(65), 'a\n']) {
        await assert.rejects(servers().create(me, named(name)), is(Code.InvalidArgument, 'name'));
      }
      await servers().create(me, named(`A-_9${'x'.repeat(60)}`));
    });

    it('refuse what PostgreSQL cannot hold', async () => {
      const target = { kind: 'http', url: 'http://a\0b', headers: {} } as const;
      await assert.rejects(servers().create(me, { ...http, target }), is(Code.InvalidArgument));
      const command = { kind: 'stdio', command: 'a', args: ['\0'], env: {} } as const;
      await assert.rejects(servers().create(me, { ...http, target: command }), is(Code.InvalidArgument));
    });

    it('belong to a user who exists', async () => {
      const nobody: Owner = { tenantId: 'default', userId: 'nobody' };
      await assert.rejects(servers().create(nobody, http), is(Code.NotFound));
      await database.addOwner(me);
    });

    for (const [who, stranger] of Object.entries(strangers)) {
      it(`are unknown to ${who}`, async () => {
        const mine = await servers().create(me, http);
        const unknown = '00000000-0000-4000-8000-000000000000';
        const attempts = [
          (id: string) => servers().get(stranger, id),
          (id: string) => servers().update(stranger, id, { name: 'stolen', enabled: false }),
          (id: string) => servers().update(stranger, id, { revision: 7, enabled: false }),
          (id: string) => servers().delete(stranger, id),
        ];
        for (const attempt of attempts) {
          const [theirs, nothing] = await Promise.all(
            [mine.id, unknown].map((id) =>
              attempt(id).then(
                () => assert.fail('reached'),
                (error: GatewayError) => [error.code, error.message.replace(id, '…')],
              ),
            ),
          );
          assert.deepEqual(theirs, nothing);
          assert.equal(theirs?.[0], Code.NotFound);
        }
        await assert.rejects(servers().findByName(stranger, mine.name), is(Code.NotFound));
        assert.deepEqual(await servers().all(stranger), []);
        assert.deepEqual(await servers().page(stranger, { pageSize: 10 }), { items: [], total: 0 });
        assert.deepEqual(await servers().get(me, mine.id), mine);
      });
    }

    it('are not found by what is no id', async () => {
      for (const id of [
        '',
        'web',
        '1',
        "' or true --",
        '00000000-0000-4000-8000-00000000000G',
        '\0',
        'x'.repeat(9999),
      ]) {
        await assert.rejects(servers().get(me, id), is(Code.NotFound));
        await assert.rejects(servers().update(me, id, {}), is(Code.NotFound));
        await assert.rejects(servers().delete(me, id), is(Code.NotFound));
      }
    });

    it('change in the fields that are named, and only there', async () => {
      let expected = await servers().create(me, http);
      const steps: readonly (readonly [ServerPatch, Partial<ServerSpec>])[] = [
        [{}, {}],
        [{ name: 'renamed' }, { name: 'renamed' }],
        [{ enabled: false }, { enabled: false }],
        [{ toolPrefix: 'p' }, { toolPrefix: 'p' }],
        [{ toolPrefix: '' }, { toolPrefix: '' }],
        [{ timeouts: { idleMs: 5 } }, { timeouts: { idleMs: 5 } }],
        [{ timeouts: { totalMs: 9 } }, { timeouts: { totalMs: 9 } }],
        [{ toolTimeouts: { a: { idleMs: 1 } } }, { toolTimeouts: { a: { idleMs: 1 } } }],
        [{ toolTimeouts: { b: { totalMs: 2 } } }, { toolTimeouts: { b: { totalMs: 2 } } }],
        [{ target: stdio.target }, { target: stdio.target }],
        [{ target: httpTarget }, { target: httpTarget }],
      ];
      for (const [patch, change] of steps) {
        const updated = await servers().update(me, expected.id, patch);
        assert.ok(updated.updatedAt >= expected.updatedAt);
        expected = { ...expected, ...change, revision: expected.revision + 1, updatedAt: updated.updatedAt };
        assert.deepEqual(updated, expected);
        assert.deepEqual(await servers().get(me, expected.id), expected);
      }
      const cleared = { toolPrefix: null, timeouts: null, toolTimeouts: null };
      const bare = await servers().update(me, expected.id, cleared);
      for (const field of Object.keys(cleared)) assert.ok(!(field in bare), field);
    });

    it('change only as the revision that is expected, where one is', async () => {
      const { id } = await servers().create(me, http);
      const second = await servers().update(me, id, { revision: 1, enabled: false });
      assert.equal(second.revision, 2);
      await assert.rejects(servers().update(me, id, { revision: 1, name: 'late' }), is(Code.Conflict));
      assert.deepEqual(await servers().get(me, id), second);
      const results = await Promise.allSettled(
        ['a', 'b', 'c', 'd', 'e'].map((name) => servers().update(me, id, { revision: 2, name })),
      );
      const lost = results.filter((result) => result.status === 'rejected');
      assert.equal(lost.length, 4);
      for (const { reason } of lost) is(Code.Conflict)(reason);
      assert.equal((await servers().get(me, id)).revision, 3);
      await servers().delete(me, id);
      await assert.rejects(servers().update(me, id, { revision: 3, name: 'gone' }), is(Code.NotFound));
    });

    it('are found by name', async () => {
      const mine = await servers().create(me, named('web'));
      await servers().create(me, named('Web'));
      await servers().create(colleague, named('theirs'));
      assert.deepEqual(await servers().findByName(me, 'web'), mine);
      for (const name of ['theirs', 'we', 'w%', '', 'web\0', 'x'.repeat(9999), "' or true --"])
        await assert.rejects(servers().findByName(me, name), is(Code.NotFound), name);
    });

    it('keep their place when they change', async () => {
      const first = await servers().create(me, named('a'));
      await servers().create(me, named('b'));
      await servers().update(me, first.id, { name: 'z' });
      assert.deepEqual(
        (await servers().all(me)).map((server) => server.name),
        ['z', 'b'],
      );
    });

    it('count every change, at the same moment too', async () => {
      const { id } = await servers().create(me, http);
      await Promise.all(
        Array.from({ length: 10 }, (_, n) => servers().update(me, id, { enabled: n % 2 === 0 })),
      );
      assert.equal((await servers().get(me, id)).revision, 11);
    });

    it('go when they are deleted, and leave their name', async () => {
      const created = await servers().create(me, http);
      assert.deepEqual(await servers().delete(me, created.id), created);
      await assert.rejects(servers().delete(me, created.id), is(Code.NotFound));
      await assert.rejects(servers().get(me, created.id), is(Code.NotFound));
      assert.notEqual((await servers().create(me, http)).id, created.id);
    });

    describe('in pages', () => {
      const names = ['g', 'f', 'e', 'd', 'c', 'b'];
      beforeEach(async () => {
        for (const name of names) await servers().create(me, named(name));
        await servers().create(colleague, named('theirs'));
      });

      async function walk(pageSize: number): Promise<string[][]> {
        const pages: string[][] = [];
        let pageToken: string | undefined;
        do {
          const page = await servers().page(me, {
            pageSize,
            ...(pageToken === undefined ? {} : { pageToken }),
          });
          assert.equal(page.total, names.length);
          pages.push(page.items.map((server) => server.name));
          pageToken = page.nextPageToken;
        } while (pageToken !== undefined);
        return pages;
      }

      it('are all there, each once, in order', async () => {
        assert.deepEqual(await walk(4), [
          ['g', 'f', 'e', 'd'],
          ['c', 'b'],
        ]);
        assert.deepEqual(await walk(3), [
          ['g', 'f', 'e'],
          ['d', 'c', 'b'],
        ]);
        assert.deepEqual(
          await walk(1),
          names.map((name) => [name]),
        );
        assert.deepEqual(await walk(6), [names]);
        assert.deepEqual(await walk(1_000_000), [names]);
      });

      it('are not skipped when others come and go in between', async () => {
        const first = await servers().page(me, { pageSize: 3 });
        await servers().delete(me, first.items[2]!.id);
        await servers().create(me, named('new'));
        const rest = await servers().page(me, { pageSize: 9, pageToken: first.nextPageToken! });
        assert.deepEqual(
          rest.items.map((server) => server.name),
          ['d', 'c', 'b', 'new'],
        );
      });

      it('stay with their owner, whoever brings the token', async () => {
        const { nextPageToken } = await servers().page(me, { pageSize: 1 });
        const page = await servers().page(colleague, { pageSize: 9, pageToken: nextPageToken! });
        assert.deepEqual(
          page.items.map((server) => server.name),
          ['theirs'],
        );
        assert.equal(page.total, 1);
      });

      it('are refused with a token or a size that makes no sense', async () => {
        for (const pageToken of ['', 'x', 'AAAA', '-1']) {
          await assert.rejects(
            servers().page(me, { pageSize: 1, pageToken }),
            is(Code.InvalidArgument, 'page_token'),
          );
        }
        for (const pageSize of [0, -1, 1.5, Number.NaN]) {
          await assert.rejects(servers().page(me, { pageSize }), is(Code.InvalidArgument, 'page_size'));
        }
      });
    });

    it('of all owners are there for the gateway itself: those that are enabled and reached over HTTP', async () => {
      const made: string[] = [];
      for (const owner of [me, colleague, namesake]) {
        for (const name of ['a', 'b', 'c']) made.push((await servers().create(owner, named(name))).id);
        await servers().create(owner, stdio);
        await servers().create(owner, { ...http, name: 'off', enabled: false });
      }
      const seen: string[] = [];
      for (;;) {
        const page = await servers().enabledHttp(seen.at(-1), 4);
        assert.ok(page.length <= 4);
        for (const record of page) {
          assert.deepEqual(record, await servers().get(record.owner, record.id));
          seen.push(record.id);
        }
        if (page.length === 0) break;
      }
      assert.deepEqual(seen, made.sort());
    });

    describe('with secrets', () => {
      async function reopen(keys: readonly KeyObject[]): Promise<void> {
        await database.close();
        database = await engine.open(keys);
      }

      it('show them nowhere in the database', async () => {
        const { id } = await servers().create(me, http);
        await servers().create(me, stdio);
        await servers().create(me, granted);
        await servers().update(me, id, {
          target: { ...httpTarget, headers: { 'X-Key': 's3cret-new' } },
        });
        await database.close();
        const dump = await engine.dump();
        database = await engine.open([key]);
        // That these are found shows that the search would find the others.
        for (const visible of [httpTarget.url, '/usr/bin/npx']) assert.ok(dump.includes(visible), visible);
        for (const secret of ['s3cret-header', 's3cret-env', 's3cret-new', 's3cret-client']) {
          for (const text of encodings(secret)) assert.ok(!dump.includes(text), `${secret} as ${text}`);
        }
        for (const name of ['Authorization', 'X-Key', 'TOKEN']) assert.ok(!dump.includes(`"${name}"`), name);
      });

      it('are disabled while their key is missing, and whole when it is back', async () => {
        const kept = await servers().create(me, http);
        const bare = await servers().create(me, {
          ...http,
          name: 'bare',
          target: bareTarget,
        });
        const other = createSecretKey(randomBytes(32));

        await reopen([other]);
        const [lost, fine] = await servers().all(me);
        assert.match(lost?.unreadable ?? '', /DRAGON_ENCRYPTION_KEY/);
        assert.equal(lost?.enabled, false);
        assert.deepEqual(lost?.target, bareTarget);
        assert.deepEqual(fine, bare);
        await servers().update(me, kept.id, { name: 'renamed' });

        await reopen([other, key]);
        const back = await servers().get(me, kept.id);
        assert.deepEqual({ ...back, name: kept.name, revision: 1, updatedAt: kept.updatedAt }, kept);
        assert.equal(back.name, 'renamed');

        await reopen([key]);
      });

      it('are sealed anew with the first key, after which nothing needs the others', async () => {
        const [first, second] = [await servers().create(me, http), await servers().create(me, stdio)];
        const third = await servers().create(me, granted);
        const other = createSecretKey(randomBytes(32));

        await reopen([other, key]);
        const { resealed } = await database.reseal();
        assert.ok(resealed >= 3, String(resealed));
        assert.equal((await database.reseal()).resealed, 0);

        await reopen([other]);
        assert.deepEqual(await servers().get(me, first.id), first);
        assert.deepEqual(await servers().get(me, second.id), second);
        assert.deepEqual(await servers().get(me, third.id), third);

        await reopen([createSecretKey(randomBytes(32))]);
        const lost = await database.reseal();
        assert.equal(lost.resealed, 0);
        assert.ok(lost.unreadable >= 3, String(lost.unreadable));
        const { unreadable, lost: fields, target } = await servers().get(me, third.id);
        assert.match(unreadable ?? '', /DRAGON_ENCRYPTION_KEY/);
        assert.deepEqual([fields, target], [['oauth'], bareTarget]);

        await reopen([key, other]);
        assert.deepEqual(await servers().get(me, first.id), first);
        await database.reseal();
        await reopen([key]);
        assert.deepEqual(await servers().get(me, first.id), first);
      });

      it('can be set again or removed while their key is missing', async () => {
        const first = await servers().create(me, http);
        const second = await servers().create(me, stdio);
        const other = createSecretKey(randomBytes(32));

        await reopen([other]);
        const healed = await servers().update(me, first.id, { target: httpTarget });
        assert.deepEqual(healed.target, httpTarget);
        assert.equal(healed.enabled, true);
        assert.ok(!('unreadable' in healed));
        assert.equal((await servers().delete(me, second.id)).id, second.id);

        await reopen([key]);
      });
    });
  });
}

describe('servers, postgresql without a key', () => {
  const engine = postgresql();
  let database: Database;
  before(async () => {
    await engine.start();
    database = await engine.open([]);
  });
  after(async () => {
    await database?.close();
    await engine.stop();
  });

  it('are refused with secrets and taken without', async () => {
    await assert.rejects(
      database.servers.create(me, http),
      (error) => is(Code.FailedPrecondition)(error) && /DRAGON_ENCRYPTION_KEY/.test(String(error)),
    );
    await assert.rejects(database.servers.create(me, stdio), is(Code.FailedPrecondition));
    assert.deepEqual(await database.servers.all(me), []);
    const { id } = await database.servers.create(me, { ...http, target: bareTarget });
    await assert.rejects(
      database.servers.update(me, id, { target: httpTarget }),
      is(Code.FailedPrecondition),
    );
    assert.equal((await database.servers.get(me, id)).revision, 1);
  });
});
