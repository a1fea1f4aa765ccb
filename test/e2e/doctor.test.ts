import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import postgres from 'postgres';
import { LOCAL_PRINCIPAL } from '../../src/auth/principal.ts';
import { loadConfig } from '../../src/config.ts';
import { openDatabase } from '../../src/db/database.ts';
import { examine } from '../../src/doctor/examine.ts';
import type { Finding } from '../../src/doctor/finding.ts';
import { dragon, dragonFor } from '../support/cli.ts';
import { placeDatabase } from '../support/database-template.ts';
import { type Gateway, gatewayEnvironment, startGateway } from '../support/gateway.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { type OwnRedis, startOwnRedis } from '../support/redis.ts';

const newKey = () => randomBytes(32).toString('base64');

let folder: string;
let database: TestPostgres;
let redis: OwnRedis;
let gateway: Gateway;
let env: NodeJS.ProcessEnv;
const key = newKey();

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dragon-doctor-'));
  [database, redis, gateway] = await Promise.all([
    startPostgres(),
    startOwnRedis({ args: ['--appendonly', 'yes'] }),
    startGateway(),
  ]);
  env = {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
    DRAGON_ENCRYPTION_KEY: key,
    DRAGON_DATA_DIR: join(folder, 'unused'),
    DRAGON_MCP_PORT: '0',
    DRAGON_GRPC_PORT: '0',
    DRAGON_MANAGEMENT_PORT: '0',
  };
});

after(async () => {
  await gateway?.stop();
  await Promise.all([database?.stop(), redis?.stop()]);
  await rm(folder, { recursive: true, force: true });
});

const bad = (findings: readonly Finding[]) =>
  findings.filter(({ state }) => state === 'fault' || state === 'warning');

/** The one finding that is none of the good ones, each with what mends it. */
async function only(changes: NodeJS.ProcessEnv): Promise<Finding> {
  const { findings } = await examine({ ...env, ...changes });
  const found = bad(findings);
  assert.equal(found.length, 1, JSON.stringify(findings, null, 2));
  const [first] = found as [Finding];
  assert.ok(first.remedy, first.message);
  return first;
}

test('a database, a Redis and settings that are right have no faults', async () => {
  const fresh = await examine(env);
  assert.deepEqual(bad(fresh.findings), []);
  assert.match(JSON.stringify(fresh.findings), /made at the first start/);

  const opened = await openDatabase(loadConfig(env));
  const target = { kind: 'http', url: 'http://localhost', headers: { authorization: 'secret' } } as const;
  await opened.servers.create(LOCAL_PRINCIPAL, { name: 'sealed', enabled: true, target });
  await opened.close();
  const { findings, isRunning } = await examine(env);
  assert.deepEqual(bad(findings), []);
  assert.equal(isRunning, false);
  const said = findings.map(({ check, message }) => `${check}: ${message}`).join('\n');
  assert.match(said, /^database: PostgreSQL \d+/m);
  assert.match(said, /^migrations: the schema is up to date$/m);
  assert.match(said, /^encryption key: opens all that is stored \(1\)$/m);
  assert.match(said, /^Redis: .* version \d/m);
  assert.match(said, /^Redis eviction: .*noeviction/m);
});

test('every setting that is wrong is named, and nothing else is looked at', async () => {
  const { findings, config } = await examine({ ...env, DRAGON_MCP_PORT: 'x', DRAGON_GRPC_PORTS: '1' });
  assert.equal(config, undefined);
  const faults = findings.filter(({ state }) => state === 'fault').map(({ message }) => message);
  assert.equal(faults.length, 2);
  assert.match(faults.join('\n'), /DRAGON_MCP_PORT: "x"/);
  assert.match(faults.join('\n'), /DRAGON_GRPC_PORTS: there is no such setting/);
});

test('a database that is not there is a fault that shows no password', async () => {
  const fault = await only({ DATABASE_URL: 'postgres://me:pass-word@127.0.0.1:1/x' });
  assert.deepEqual([fault.check, fault.state], ['database', 'fault']);
  assert.match(fault.message, /127\.0\.0\.1:1 .*ECONNREFUSED/);
  assert.doesNotMatch(JSON.stringify(fault), /pass-word/);
});

test('a key that does not open what is stored is a fault', async () => {
  const fault = await only({ DRAGON_ENCRYPTION_KEY: newKey() });
  assert.deepEqual([fault.check, fault.state], ['encryption key', 'fault']);
  assert.match(fault.message, /^1 of 1 stored secrets/);
  assert.equal((await only({ DRAGON_ENCRYPTION_KEY: '' })).state, 'fault');
});

test('a migration that was not made is a fault, and is not made', async (t) => {
  const sql = postgres(database.url, { max: 1, onnotice: () => undefined });
  t.after(() => sql.end());
  const [last] =
    await sql`delete from dragon.migrations where id = (select max(id) from dragon.migrations) returning *`;
  const fault = await only({});
  assert.deepEqual([fault.check, fault.state], ['migrations', 'fault']);
  assert.match(fault.message, /^1 pending: 00\d\d_/);
  assert.deepEqual(await only({}), fault);
  await sql`insert into dragon.migrations ${sql(last!)}`;
  await sql`insert into dragon.migrations (hash, created_at) values ('later', 9000000000000)`;
  assert.match((await only({})).message, /later version/);
  await sql`delete from dragon.migrations where hash = 'later'`;
});

test('a Redis that is not there, and one that drops keys or keeps nothing, are found', async () => {
  const away = await only({ REDIS_URL: 'redis://:pass-word@127.0.0.1:1' });
  assert.deepEqual([away.check, away.state], ['Redis', 'fault']);
  assert.match(away.message, /ECONNREFUSED/);
  assert.doesNotMatch(JSON.stringify(away), /pass-word/);

  await redis.call('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
  const dropping = await only({});
  assert.deepEqual([dropping.check, dropping.state], ['Redis eviction', 'fault']);
  assert.match(dropping.message, /allkeys-lru/);
  await redis.call('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');

  await redis.call('CONFIG', 'SET', 'appendonly', 'no');
  await redis.call('CONFIG', 'SET', 'save', '');
  const forgetful = await only({});
  assert.deepEqual([forgetful.check, forgetful.state], ['Redis persistence', 'warning']);
  await redis.call('CONFIG', 'SET', 'appendonly', 'yes');
});

test('a port that something else has is a fault', async (t) => {
  const server = createServer((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  const fault = await only({ DRAGON_GRPC_PORT: String(port) });
  assert.deepEqual([fault.check, fault.state], [`port ${port}`, 'fault']);
  assert.match(fault.remedy ?? '', /DRAGON_GRPC_PORT/);
});

test('files of an embedded database that others can read are found', async () => {
  const dataDir = join(folder, 'embedded');
  const embedded = { DATABASE_URL: '', REDIS_URL: '', DRAGON_ENCRYPTION_KEY: '', DRAGON_DATA_DIR: dataDir };
  assert.deepEqual(bad((await examine({ ...env, ...embedded })).findings), []);
  await placeDatabase(dataDir);
  await chmod(dataDir, 0o700);
  assert.match(
    JSON.stringify((await examine({ ...env, ...embedded })).findings),
    /embedded PostgreSQL .* answers.*the schema is up to date/,
  );
  await chmod(dataDir, 0o755);
  assert.deepEqual([(await only(embedded)).check, (await only(embedded)).state], ['data folder', 'warning']);
  await chmod(dataDir, 0o700);
  await writeFile(join(dataDir, 'key'), newKey(), { mode: 0o644 });
  const { findings } = await examine({ ...env, ...embedded });
  assert.deepEqual(
    findings.filter(({ state }) => state === 'fault').map(({ check }) => check),
    ['key file', 'database'],
  );
});

test('where a gateway runs its embedded database is left alone, and its servers are looked at', async () => {
  await gateway.addServer({ name: 'nowhere', url: 'http://127.0.0.1:1/mcp' });
  const own = gatewayEnvironment(gateway.dataDir, {
    DRAGON_MCP_PORT: new URL(gateway.mcpUrl).port,
    DRAGON_GRPC_PORT: new URL(gateway.grpcUrl).port,
    DRAGON_MANAGEMENT_PORT: new URL(gateway.opsUrl).port,
  }) as Record<string, string>;
  const { code, out } = await dragon(['doctor', '--json'], { env: own });
  assert.equal(code, 1, out);
  const { ok, findings } = JSON.parse(out) as { ok: boolean; findings: Finding[] };
  assert.equal(ok, false);
  assert.deepEqual(
    findings.filter(({ state }) => state === 'fault').map(({ check }) => check),
    ['server nowhere'],
  );
  const said = findings.map(({ check, message }) => `${check}: ${message}`).join('\n');
  assert.equal(said.match(/a gateway answers, and is ready/g)?.length, 3);
  assert.match(said, new RegExp(`^database: .*held by process ${gateway.process.pid}`, 'm'));
  assert.match(said, /^nodes: 1, version/m);
  assert.equal(gateway.isRunning, true);
  const shown = await dragonFor(gateway)(['doctor'], { env: { DRAGON_DATA_DIR: gateway.dataDir } });
  assert.equal(shown.code, 1);
  assert.match(shown.out, /^FAULT +server nowhere +does not connect: .*\n +→ Check that its URL/m);
  assert.match(shown.out, /\n1 fault\.\n$/);
});

test('without a gateway it says so, starts none, and is exit code 0 where all is well', async () => {
  const { code, out } = await dragon(['doctor'], { env: env as Record<string, string> });
  assert.equal(code, 0, out);
  assert.match(out, /^- +gateway +none runs here/m);
  assert.match(out, /\nNo faults\.\n$/);
});
