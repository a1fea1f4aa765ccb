import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { LOCAL_PRINCIPAL } from '../../src/auth/principal.ts';
import { openDatabase } from '../../src/db/database.ts';
import { Code, GatewayError } from '../../src/protocol/errors.ts';
import { recordingLogger } from '../support/fakes.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { type Refusal, UnreadyPostgres } from '../support/unready-postgres.ts';
import { until } from '../support/wait.ts';

const SCRIPT = fileURLToPath(new URL('../support/open-database.ts', import.meta.url));
const JOURNAL = new URL('../../drizzle/meta/_journal.json', import.meta.url);

const server = (name: string) =>
  ({ name, enabled: true, target: { kind: 'http', url: 'http://localhost', headers: {} } }) as const;

function fails(code: Code, ...parts: readonly string[]): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof GatewayError, String(error));
    assert.equal(error.code, code, error.message);
    for (const part of parts) assert.ok(error.message.includes(part), error.message);
    return true;
  };
}

/** Processes that open a database; all of them end with the test. */
class Openers {
  readonly #children: ChildProcess[] = [];

  /** Resolves with the first line that the process prints. */
  async start(arguments_: readonly string[], flags: readonly string[] = []) {
    const child = spawn(process.execPath, [...flags, SCRIPT, ...arguments_], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#children.push(child);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async () => JSON.parse((await lines.next()).value ?? '{"open":"ended without a word"}');
    return { child, first: await next(), next };
  }

  async end(signal?: NodeJS.Signals): Promise<void> {
    await Promise.all(
      this.#children.splice(0).map(async (child) => {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const exit = once(child, 'exit');
        if (signal === undefined) child.stdin?.end();
        else child.kill(signal);
        await exit;
      }),
    );
  }
}

describe('opening the embedded database', () => {
  const openers = new Openers();
  let template: string;
  let root: string;
  let dataDir: string;
  before(async () => {
    template = await mkdtemp(join(tmpdir(), 'dragon-template-'));
    await (await openDatabase({ dataDir: template })).close();
  });
  after(() => rm(template, { recursive: true }));
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'dragon-open-'));
    dataDir = join(root, 'made', 'when', 'missing');
  });
  afterEach(async () => {
    await openers.end('SIGKILL');
    await rm(root, { recursive: true });
  });

  /** A database that was made before, since making one takes seconds. */
  const made = () => cp(template, dataDir, { recursive: true });

  it('makes a folder for this user alone, and finds everything again', async () => {
    const first = await openDatabase({ dataDir });
    assert.equal(first.kind, 'embedded');
    assert.deepEqual(await first.servers.all(LOCAL_PRINCIPAL), []);
    const secret = { kind: 'http', url: 'http://localhost', headers: { A: 'b' } } as const;
    const created = await first.servers.create(LOCAL_PRINCIPAL, { ...server('kept'), target: secret });
    await first.ping();
    await first.close();
    assert.equal((await stat(dataDir)).mode & 0o777, 0o700);
    assert.deepEqual((await readdir(dataDir)).sort(), ['db', 'key']);

    const second = await openDatabase({ dataDir });
    assert.deepEqual(await second.servers.all(LOCAL_PRINCIPAL), [created]);
    await second.close();
  });

  it('may be closed twice, and answers Unavailable afterwards', async () => {
    await made();
    const database = await openDatabase({ dataDir });
    await Promise.all([database.close(), database.close()]);
    await database.close();
    await assert.rejects(database.ping(), fails(Code.Unavailable));
    await assert.rejects(database.servers.all(LOCAL_PRINCIPAL), fails(Code.Unavailable));
  });

  it('is for one gateway at a time', async () => {
    await made();
    const { child, first } = await openers.start([dataDir]);
    assert.equal(first.open, true);
    const inUse = fails(Code.FailedPrecondition, `process ${child.pid}`, dataDir, 'DRAGON_DATA_DIR');
    await assert.rejects(openDatabase({ dataDir }), inUse);
    await openers.end();
    await (await openDatabase({ dataDir })).close();
  });

  it('survives kill -9 with everything that was stored', async () => {
    await made();
    const { child, next } = await openers.start([dataDir]);
    child.stdin.write('stored');
    assert.deepEqual(await next(), { created: true });
    await openers.end('SIGKILL');
    assert.ok((await readdir(dataDir)).includes('lock'));

    const database = await openDatabase({ dataDir });
    assert.deepEqual(
      (await database.servers.all(LOCAL_PRINCIPAL)).map(({ name }) => name),
      ['stored'],
    );
    await database.close();
  });

  it('starts over where a first start was killed half way', async () => {
    await mkdir(join(dataDir, 'db'), { recursive: true });
    await writeFile(join(dataDir, 'db.incomplete'), '');
    await writeFile(join(dataDir, 'db', 'PG_VERSION'), 'half');
    const database = await openDatabase({ dataDir });
    await database.ping();
    await database.close();
    assert.deepEqual((await readdir(dataDir)).sort(), ['db', 'key']);
  });

  it('refuses a damaged database, leaves it as it is, and lets go of the folder', async () => {
    await mkdir(join(dataDir, 'db'), { recursive: true });
    await writeFile(join(dataDir, 'db', 'PG_VERSION'), '9.6');
    await assert.rejects(
      openDatabase({ dataDir }),
      fails(Code.FailedPrecondition, dataDir, 'DRAGON_DATA_DIR'),
    );
    assert.equal(await readFile(join(dataDir, 'db', 'PG_VERSION'), 'utf8'), '9.6');
    assert.ok(!(await readdir(dataDir)).includes('lock'));
  });

  it('refuses a key that others can read, and lets go of the folder', async () => {
    await made();
    await chmod(join(dataDir, 'key'), 0o644);
    const refused = fails(Code.FailedPrecondition, join(dataDir, 'key'), 'chmod 600');
    await assert.rejects(openDatabase({ dataDir }), refused);
    await assert.rejects(openDatabase({ dataDir }), refused);
  });

  it('refuses a data folder that cannot be one', async () => {
    await writeFile(join(root, 'file'), '');
    const path = join(root, 'file', 'data');
    await assert.rejects(
      openDatabase({ dataDir: path }),
      fails(Code.FailedPrecondition, path, 'DRAGON_DATA_DIR'),
    );
  });
});

describe('opening PostgreSQL', () => {
  const openers = new Openers();
  let pg: TestPostgres;
  let admin: postgres.Sql;
  let url: string;
  let count = 0;

  before(async () => {
    pg = await startPostgres();
    admin = postgres(pg.url, { onnotice: () => undefined });
  });
  after(async () => {
    await openers.end('SIGKILL');
    await admin?.end();
    await pg?.stop();
  });
  beforeEach(async () => {
    const name = `${new URL(pg.url).pathname.slice(1)}_${++count}`;
    await admin`create database ${admin(name)}`;
    const database = new URL(pg.url);
    database.pathname = `/${name}`;
    url = database.href;
  });
  afterEach(async () => {
    await openers.end();
    await admin`drop database ${admin(new URL(url).pathname.slice(1))}`;
  });

  async function query<T extends postgres.MaybeRow[]>(ask: (client: postgres.Sql) => Promise<T>): Promise<T> {
    const client = postgres(url, { max: 1, onnotice: () => undefined });
    try {
      return await ask(client);
    } finally {
      await client.end();
    }
  }

  it('migrates once when many nodes start together on an empty database', async () => {
    const nodes = await Promise.all([1, 2, 3].map(() => openers.start(['/nonexistent', url])));
    for (const { first } of nodes) assert.deepEqual(first, { open: true, servers: [] });
    const more = await Promise.all(
      [1, 2, 3].map(() => openDatabase({ databaseUrl: url, dataDir: '/nonexistent' })),
    );
    await Promise.all(more.map((database) => database.close()));

    const { entries } = JSON.parse(await readFile(JOURNAL, 'utf8'));
    const applied = await query((client) => client`select hash from dragon.migrations`);
    assert.equal(applied.length, entries.length);
    const users = await query((client) => client`select tenant_id, id from dragon.users`);
    assert.deepEqual([...users], [{ tenant_id: 'default', id: 'local' }]);
  });

  it('migrates once within one process, too', async () => {
    const opened = await Promise.all(
      Array.from({ length: 5 }, () => openDatabase({ databaseUrl: url, dataDir: '/nonexistent' })),
    );
    await opened[0]!.servers.create(LOCAL_PRINCIPAL, server('shared'));
    for (const database of opened) {
      assert.equal(database.kind, 'postgresql');
      assert.equal((await database.servers.all(LOCAL_PRINCIPAL)).length, 1);
      await database.close();
    }
  });

  it('leaves nothing half done when a migration fails', async () => {
    await query((client) => client.unsafe('create schema dragon; create table dragon.tenants (odd int)'));
    const options = { databaseUrl: url, dataDir: '/nonexistent' };
    await assert.rejects(
      openDatabase(options),
      fails(Code.FailedPrecondition, 'DATABASE_URL', 'already exists'),
    );
    const tables = await query(
      (client) => client`select table_name from information_schema.tables where table_schema = 'dragon'`,
    );
    assert.deepEqual([...tables], [{ table_name: 'tenants' }]);
    await query((client) => client.unsafe('drop table dragon.tenants'));
    await (await openDatabase(options)).close();
  });

  it('leaves a newer schema alone', async () => {
    const options = { databaseUrl: url, dataDir: '/nonexistent' };
    await (await openDatabase(options)).close();
    const future = { hash: 'of a later version', created_at: 9_999_999_999_999 };
    await query((client) => client`insert into dragon.migrations ${client(future)}`);
    await (await openDatabase(options)).close();
    const [last] = await query(
      (client) => client`select hash from dragon.migrations order by id desc limit 1`,
    );
    assert.equal(last?.['hash'], future.hash);
  });

  it('needs no right to create anything when the schema is there', async () => {
    await (await openDatabase({ databaseUrl: url, dataDir: '/nonexistent' })).close();
    const role = `reader_${new URL(url).pathname.slice(1)}`;
    await query((client) =>
      client.unsafe(`
        create role ${role} login password 'x';
        grant usage on schema dragon to ${role};
        grant select, insert, update, delete on all tables in schema dragon to ${role};`),
    );
    const limited = new URL(url);
    limited.username = role;
    limited.password = 'x';
    try {
      const database = await openDatabase({ databaseUrl: limited.href, dataDir: '/nonexistent' });
      await database.servers.create(LOCAL_PRINCIPAL, server('limited'));
      await database.close();
    } finally {
      await query((client) => client.unsafe(`drop owned by ${role}; drop role ${role}`));
    }
  });

  it('does not load the embedded database, nor touch the data folder', async () => {
    const refuse = `
      import { registerHooks } from 'node:module';
      registerHooks({ resolve(specifier, context, next) {
        if (specifier.includes('@electric-sql')) throw new Error('loaded ' + specifier);
        return next(specifier, context);
      } });`;
    const flags = ['--import', `data:text/javascript,${encodeURIComponent(refuse)}`];
    const { first } = await openers.start(['/nonexistent', url], flags);
    assert.equal(first.open, true);
    // That the other database fails to open shows that the refusal works.
    const embedded = await openers.start([join(tmpdir(), `dragon-never-${process.pid}`)], flags);
    assert.equal(embedded.first.open, false);
    await rm(join(tmpdir(), `dragon-never-${process.pid}`), { recursive: true, force: true });
  });

  const STARTING = { code: '57P03', message: 'the database system is starting up' };
  const DENIED = { code: '28P01', message: 'password authentication failed' };

  /** Opens it through a port that tells the first connections these, and the others nothing: they get through. */
  async function openThrough(refusals: (Refusal | 'close')[], options: { readonly awayMs?: number } = {}) {
    const logger = recordingLogger();
    const unready = await UnreadyPostgres.start({ answer: () => refusals.shift(), target: url });
    try {
      const { awayMs: startTimeoutMs = 10_000 } = options;
      const given = { databaseUrl: unready.at(url), dataDir: '/nonexistent', logger, startTimeoutMs };
      const database = await openDatabase({ ...given, recoveryTimeoutMs: 60_000 });
      assert.deepEqual(await database.servers.all(LOCAL_PRINCIPAL), []);
      await database.close();
    } finally {
      await unready.close();
    }
    return logger.lines.map(({ level, message, fields: { reason = '' } }) => [level, message, reason]);
  }

  const WAITED = 'PostgreSQL is not there yet, and is waited for';
  const there = ['info', 'PostgreSQL is there', ''];

  it('waits for one that starts, is restarted, or closes connections, and tells the log once', async () => {
    const told = await openThrough([
      STARTING,
      STARTING,
      'close',
      { code: '57P01', message: 'terminating connection due to administrator command' },
      STARTING,
    ]);
    assert.deepEqual(told, [['warn', WAITED, STARTING.message], there]);
    assert.deepEqual(await openThrough([]), []);
  });

  it('waits longer for one that says that it starts than for one that is not there', async () => {
    // With so little patience for the latter there is no second try after it.
    assert.deepEqual(await openThrough([STARTING, STARTING, STARTING], { awayMs: 0 }), [
      ['warn', WAITED, STARTING.message],
      there,
    ]);
    await assert.rejects(openThrough(['close'], { awayMs: 0 }), fails(Code.Unavailable, 'DATABASE_URL'));
  });

  it('does not wait for ever for one that says that it starts', async () => {
    const unready = await UnreadyPostgres.start({ answer: () => STARTING });
    const options = { databaseUrl: unready.at(url), dataDir: '/nonexistent', recoveryTimeoutMs: 300 };
    await assert.rejects(openDatabase(options), fails(Code.Unavailable, 'DATABASE_URL', STARTING.message));
    await unready.close();
  });

  it('waits for one that does not listen yet', async () => {
    // Below those that the system gives away by itself.
    const port = randomInt(15_000, 32_000);
    const logger = recordingLogger();
    const databaseUrl = Object.assign(new URL(url), { port: String(port) }).href;
    const opening = openDatabase({ databaseUrl, dataDir: '/nonexistent', logger });
    await until(() => logger.lines.length > 0, { what: 'it to be waited for' });
    const unready = await UnreadyPostgres.start({ port, answer: () => undefined, target: url });
    await (await opening).close();
    await unready.close();
    assert.match(String(logger.lines[0]?.fields['reason']), /ECONNREFUSED/);
    assert.equal(logger.lines.length, 2);
  });

  it('does not wait where waiting would not help', async () => {
    const connections: Refusal[] = [];
    const answer = () => connections[connections.push(DENIED) - 1];
    const unready = await UnreadyPostgres.start({ answer });
    const options = { databaseUrl: unready.at(url), dataDir: '/nonexistent' };
    await assert.rejects(
      openDatabase(options),
      fails(Code.FailedPrecondition, 'DATABASE_URL', DENIED.message),
    );
    assert.equal(connections.length, 1);
    await unready.close();
  });

  it('tells where it could not connect, and no password', async () => {
    const nowhere = 'postgres://someone:hunter2@127.0.0.1:1/db';
    const logger = recordingLogger();
    const options = { databaseUrl: nowhere, dataDir: '/nonexistent', logger, startTimeoutMs: 300 };
    await assert.rejects(openDatabase(options), (error) => {
      assert.ok(!String(error).includes('hunter2'));
      return fails(Code.Unavailable, '127.0.0.1:1', 'DATABASE_URL', 'ECONNREFUSED')(error);
    });
    assert.equal(logger.lines.length, 1);
    assert.ok(!JSON.stringify(logger.lines).includes('hunter2'));
    const missing = new URL(url);
    missing.pathname = '/no_such_database';
    await assert.rejects(
      openDatabase({ databaseUrl: missing.href, dataDir: '/nonexistent' }),
      fails(Code.FailedPrecondition, 'DATABASE_URL', 'no_such_database'),
    );
  });
});
