import assert from 'node:assert/strict';
import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import postgres from 'postgres';
import { LOCAL_PRINCIPAL, type Owner } from '../../src/auth/principal.ts';
import { type Database, openDatabase } from '../../src/db/database.ts';
import type { OAuthTokens, PendingLogin } from '../../src/db/oauth-record.ts';
import { Code, GatewayError } from '../../src/protocol/errors.ts';
import { openElsewhere } from '../support/database-elsewhere.ts';
import { placeDatabase } from '../support/database-template.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';

interface Backend {
  open(keys?: readonly KeyObject[]): Promise<Database>;
  stop(): Promise<void>;
  /** Of a database that can be looked into from outside. */
  readonly url: string | undefined;
}

function embedded(open: (dataDir: string) => Promise<Database>): Backend {
  let dataDir: string | undefined;
  return {
    url: undefined,
    async open() {
      dataDir = await mkdtemp(join(tmpdir(), 'dragon-logins-'));
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
    get url() {
      return server?.url;
    },
    async open(keys) {
      server ??= await startPostgres();
      const encryptionKeys = keys ?? [KEY];
      return await openDatabase({ databaseUrl: server.url, dataDir: '/nonexistent', encryptionKeys });
    },
    stop: async () => await server?.stop(),
  };
}

const KEY = createSecretKey(randomBytes(32));

const BACKENDS: Readonly<Record<string, Backend>> = {
  'embedded PostgreSQL': embedded((dataDir) => openDatabase({ dataDir })),
  'embedded PostgreSQL of another process': embedded((dataDir) => openElsewhere(dataDir, [])),
  PostgreSQL: postgresql(),
};

const me: Owner = LOCAL_PRINCIPAL;
const others: readonly Owner[] = [
  { tenantId: 'default', userId: 'other' },
  { tenantId: 'other', userId: 'local' },
];
const URL_OF_SERVER = 'https://mcp.example/mcp';
const CLIENT = {
  issuer: 'https://as.example',
  clientId: 'client',
  clientSecret: 'the-secret-of-the-client',
  authMethod: 'client_secret_basic',
  redirectUri: 'http://127.0.0.1/oauth/callback',
} as const;
const TOKENS: OAuthTokens = {
  url: URL_OF_SERVER,
  resource: URL_OF_SERVER,
  server: { issuer: 'https://as.example', tokenEndpoint: 'https://as.example/token' },
  client: CLIENT,
  accessToken: 'the-access-token',
  refreshToken: 'the-refresh-token',
  expiresAt: 1,
  scopes: ['one'],
};
const LOGIN: PendingLogin = {
  url: URL_OF_SERVER,
  resource: URL_OF_SERVER,
  server: { ...TOKENS.server, issParameterSupported: true },
  client: CLIENT,
  isFixedClient: false,
  verifier: 'the-verifier',
  browser: 'the-browser',
  scopes: [],
  isSecondTry: false,
};

for (const [name, backend] of Object.entries(BACKENDS)) {
  describe(`log-ins in ${name}`, { timeout: 120_000 }, () => {
    let database: Database;
    let count = 0;

    before(async () => {
      database = await backend.open();
      for (const owner of others) await database.addOwner(owner);
    });

    after(async () => {
      await database?.close();
      await backend.stop();
    });

    async function newServer(): Promise<string> {
      const target = { kind: 'http', url: URL_OF_SERVER, headers: {} } as const;
      const spec = { name: `server-${++count}`, enabled: true, target };
      return (await database.servers.create(me, spec)).id;
    }

    it('keeps a log-in through all of its states', async () => {
      const { logins } = database;
      const id = await newServer();
      assert.equal(await logins.read(me, id), undefined);
      const challenge = { resourceMetadata: 'https://mcp.example/x', scopes: ['one'] };
      await logins.noteChallenge(me, id, URL_OF_SERVER, challenge);
      const needed = { url: URL_OF_SERVER, state: 'needed', version: 1, challenge };
      assert.deepEqual(await logins.read(me, id), needed);
      assert.equal(await logins.save(me, id, TOKENS), 2);
      const active = { ...needed, state: 'active', version: 2, tokens: TOKENS };
      assert.deepEqual(await logins.read(me, id), active);
      await logins.noteChallenge(me, id, URL_OF_SERVER, challenge);
      assert.deepEqual(await logins.read(me, id), active);
      await logins.expire(me, id, 1);
      assert.deepEqual(await logins.read(me, id), active);
      await logins.expire(me, id, 2);
      assert.deepEqual(await logins.read(me, id), { ...needed, state: 'expired', version: 3 });
      assert.equal(await logins.save(me, id, TOKENS), 4);
      assert.deepEqual(await logins.forget(me, id), TOKENS);
      assert.deepEqual(await logins.read(me, id), { ...needed, version: 5 });
      await logins.save(me, id, TOKENS);
      const elsewhere = 'https://mcp.example/other';
      await logins.noteChallenge(me, id, elsewhere, {});
      const moved = { url: elsewhere, state: 'needed', version: 7, challenge: {} };
      assert.deepEqual(await logins.read(me, id), moved);
      await database.servers.delete(me, id);
      assert.equal(await logins.read(me, id), undefined);
    });

    it('lets one renew a version, and one save what comes of it', async () => {
      const { logins } = database;
      const id = await newServer();
      await logins.save(me, id, TOKENS);
      const claims = await Promise.all(Array.from({ length: 8 }, () => logins.claim(me, id, 1, 60_000)));
      assert.equal(claims.filter(Boolean).length, 1);
      assert.equal(await logins.claim(me, id, 2, 60_000), false);
      await logins.unclaim(me, id, 1);
      assert.equal(await logins.claim(me, id, 1, -1), true);
      assert.equal(await logins.claim(me, id, 1, 60_000), true, 'a claim that is over holds nobody up');
      assert.equal(await logins.save(me, id, { ...TOKENS, accessToken: 'two' }, 1), 2);
      assert.equal(await logins.save(me, id, { ...TOKENS, accessToken: 'late' }, 1), undefined);
      assert.equal((await logins.read(me, id))?.tokens?.accessToken, 'two');
      assert.equal(await logins.claim(me, id, 2, 60_000), true);
    });

    it('counts what a browser brings back once', async () => {
      const { logins } = database;
      const id = await newServer();
      const invitation = { owner: { tenantId: me.tenantId, userId: me.userId }, serverId: id, scopes: ['x'] };
      await logins.invite(`ticket-${id}`, invitation);
      assert.deepEqual(await logins.invitation(`ticket-${id}`), invitation);
      assert.equal(await logins.isPending(me, id), false);
      await logins.begin(`ticket-${id}`, `state-${id}`, LOGIN);
      assert.equal(await logins.isPending(me, id), true);
      const taken = await Promise.all(Array.from({ length: 5 }, () => logins.take(`state-${id}`)));
      assert.deepEqual(
        taken.filter((one) => one !== undefined),
        [{ ...invitation, login: LOGIN }],
      );
      assert.equal(await logins.invitation(`ticket-${id}`), undefined);
      await assert.rejects(
        logins.begin(`ticket-${id}`, 'again', LOGIN),
        (error) => error instanceof GatewayError && error.code === Code.NotFound,
      );
    });

    it('has nothing of a server for others', async () => {
      const { logins } = database;
      const id = await newServer();
      await logins.save(me, id, TOKENS);
      await logins.saveClient(me, id, CLIENT);
      assert.deepEqual(await logins.client(me, id, CLIENT.issuer), CLIENT);
      assert.equal(await logins.client(me, id, 'https://other.example'), undefined);
      for (const owner of others) {
        assert.equal(await logins.read(owner, id), undefined);
        assert.equal(await logins.forget(owner, id), undefined);
        assert.equal(await logins.claim(owner, id, 1, 1000), false);
        assert.equal(await logins.save(owner, id, TOKENS, 1), undefined);
        assert.equal(await logins.save(owner, id, TOKENS), undefined);
        assert.equal(await logins.client(owner, id, CLIENT.issuer), undefined);
        await logins.forgetClient(owner, id, CLIENT.issuer);
        await logins.expire(owner, id, 1);
        await assert.rejects(logins.invite('ticket', { owner, serverId: id, scopes: [] }), /does not exist/);
      }
      assert.deepEqual((await logins.read(me, id))?.version, 1);
      assert.deepEqual(await logins.client(me, id, CLIENT.issuer), CLIENT);
    });

    it('has one for each who uses a server that is shared in the tenant', async () => {
      const { logins, servers } = database;
      const id = await newServer();
      await servers.update(me, id, { sharedWith: { tenant: true } });
      const [bob, ...strangers] = [
        { tenantId: me.tenantId, userId: 'bob' },
        { tenantId: 'elsewhere', userId: me.userId },
      ];
      assert.deepEqual((await servers.shared(me.tenantId)).find((each) => each.id === id)?.sharedWith, {
        tenant: true,
      });
      await logins.save(me, id, TOKENS);
      await logins.save(bob!, id, { ...TOKENS, accessToken: 'of bob' });
      for (const stranger of strangers) {
        assert.deepEqual(await servers.shared(stranger.tenantId), []);
        assert.equal(await logins.save(stranger, id, TOKENS), undefined);
        assert.equal(await logins.read(stranger, id), undefined);
      }
      await logins.forget(me, id);
      assert.equal((await logins.read(bob!, id))?.tokens?.accessToken, 'of bob');
    });

    it('keeps secrets sealed, each for its place', async (t) => {
      if (backend.url === undefined) return t.skip('it can not be looked into from outside');
      const { logins } = database;
      const [one, two] = [await newServer(), await newServer()];
      await logins.save(me, one, TOKENS);
      await logins.save(me, two, { ...TOKENS, accessToken: 'of the other' });
      await logins.saveClient(me, one, CLIENT);
      await logins.invite('sealed', { owner: me, serverId: one, scopes: [] });
      await logins.begin('sealed', 'state', LOGIN);
      const sql = postgres(backend.url, { max: 1 });
      t.after(() => sql.end());
      const rows = JSON.stringify([
        await sql`select * from dragon.oauth_tokens`,
        await sql`select * from dragon.oauth_clients`,
        await sql`select * from dragon.oauth_logins`,
      ]);
      assert.ok(rows.includes(one) && rows.includes(URL_OF_SERVER));
      for (const secret of [
        'the-access-token',
        'the-refresh-token',
        'the-secret',
        'the-verifier',
        'the-browser',
      ])
        assert.ok(!rows.includes(secret), secret);
      await sql`update dragon.oauth_tokens set sealed = (select sealed from dragon.oauth_tokens where server_id = ${two}) where server_id = ${one}`;
      assert.deepEqual((await logins.read(me, one))?.state, 'expired');
      assert.equal((await logins.read(me, two))?.tokens?.accessToken, 'of the other');
    });

    it('counts for as long as it may, and a client for the authorization server that it was made at', async (t) => {
      if (backend.url === undefined) return t.skip('it can not be looked into from outside');
      const { logins } = database;
      const id = await newServer();
      const sql = postgres(backend.url, { max: 1 });
      t.after(() => sql.end());
      for (const name of ['late', 'later'])
        await logins.invite(name, { owner: me, serverId: id, scopes: [] });
      await logins.begin('late', 'state of late', LOGIN);
      const age = (minutes: number) =>
        sql`update dragon.oauth_logins set created_at = now() - ${minutes} * interval '1 minute' where server_id = ${id}`;
      await age(9);
      assert.notEqual(await logins.invitation('later'), undefined);
      assert.equal(await logins.isPending(me, id), true);
      await age(11);
      assert.equal(await logins.invitation('later'), undefined);
      assert.equal(await logins.isPending(me, id), false);
      assert.equal(await logins.take('state of late'), undefined);
      await assert.rejects(logins.begin('later', 'state of later', LOGIN), /is over/);

      await logins.saveClient(me, id, CLIENT);
      await sql`update dragon.oauth_clients set issuer = 'https://evil.example' where server_id = ${id}`;
      assert.equal(await logins.client(me, id, 'https://evil.example'), undefined);
    });

    it('are sealed anew with another key, and open with that alone', async (t) => {
      if (backend.url === undefined) return t.skip('its keys are its own');
      const id = await newServer();
      await database.logins.save(me, id, TOKENS);
      await database.logins.saveClient(me, id, CLIENT);
      const other = createSecretKey(randomBytes(32));
      const both = await backend.open([other, KEY]);
      assert.ok((await both.reseal()).resealed >= 2);
      await both.close();
      const renewed = await backend.open([other]);
      t.after(() => renewed.close());
      assert.deepEqual((await renewed.logins.read(me, id))?.tokens, TOKENS);
      assert.deepEqual(await renewed.logins.client(me, id, CLIENT.issuer), CLIENT);
    });
  });
}
