import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access, constants, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { supervise } from './supervise.ts';
import { until } from './wait.ts';

const run = promisify(execFile);

const IMAGE = 'redis:7-alpine';

/** How a server is run here: what its command begins with, and what stops and continues it. */
export interface Launcher {
  command(folder: string, name: string): string;
  /** May use $pid. */
  end(name: string): string;
  signal(pid: number, name: string, signal: 'SIGSTOP' | 'SIGCONT'): Promise<void>;
}

const WAYS: readonly (readonly [name: string, way: () => Promise<Launcher | undefined>])[] = [
  ['redis-server on the PATH', installed],
  [`Docker on Linux, with the image ${IMAGE}`, docker],
  ['apt-get install redis-server, as root on Debian', apt],
];

/** The first way that works here. What is thrown names them all. */
export async function findLauncher(others: readonly string[]): Promise<Launcher> {
  const failures = others.map((name) => `- ${name}: not here`);
  for (const [name, way] of WAYS) {
    try {
      const launcher = await way();
      if (launcher !== undefined) return launcher;
      failures.push(`- ${name}: not here`);
    } catch (error) {
      failures.push(`- ${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(`These tests need Redis. Each of these ways would do:\n${failures.join('\n')}`);
}

export interface RedisProcess {
  readonly port: number;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Ends it at once, as a crash does. */
  kill(): Promise<void>;
  /** On the same port, with the same files. */
  start(): Promise<void>;
  /** Cuts every connection of clients; they may connect anew. */
  killConnections(): Promise<void>;
  /** Runs a command on a connection of its own, as the default user. */
  call(...command: readonly [string, ...(string | number)[]]): Promise<unknown>;
  stop(): Promise<void>;
}

export interface RedisProcessOptions {
  readonly launcher: Launcher;
  /** Of the command line, after the port and the folder. */
  readonly args?: readonly string[];
  /** Files made in its folder before the start, which is given. Returns further arguments, put first. */
  readonly prepare?: (folder: string, port: number) => Promise<readonly string[]>;
  readonly password?: string;
  /** The server takes TLS only. */
  readonly tls?: boolean;
}

/** A server on a free port, in a temporary folder, which keeps nothing on disk but what a cluster or a sentinel must. */
export async function startRedisProcess(options: RedisProcessOptions): Promise<RedisProcess> {
  const { launcher, args = [], prepare, password, tls = false } = options;
  const folder = await mkdtemp(join(tmpdir(), 'dragon-redis-'));
  const port = await freePort();
  const first = (await prepare?.(folder, port)) ?? [];
  const listening = tls ? ['--port', '0', '--tls-port', String(port)] : ['--port', String(port)];
  const given = [...first, ...listening, '--dir', folder, '--bind', '127.0.0.1', '--save', "''"];
  const secret = password === undefined ? [] : ['--requirepass', password];
  const line = [...given, ...secret, ...args].join(' ');
  const connect = () =>
    new Redis({
      port,
      host: '127.0.0.1',
      lazyConnect: true,
      retryStrategy: null,
      maxLoadingRetryTime: 100,
      ...(password === undefined ? {} : { password }),
      ...(tls ? { tls: { rejectUnauthorized: false } } : {}),
    }).on('error', () => undefined);
  let server: { end(): Promise<void>; pid: number; name: string } | undefined;

  // What is not to be kept is removed by the shell too, when nobody is left to do it.
  const keep = join(folder, 'keep');
  const start = async () => {
    await rm(keep, { force: true });
    const name = `dragon-test-${randomBytes(6).toString('hex')}`;
    const end = `${launcher.end(name)}; [ -e '${keep}' ] || rm -rf '${folder}'`;
    const child = supervise(`${launcher.command(folder, name)} ${line}`, end, {});
    let log = '';
    let running = true;
    child.stderr?.on('data', (chunk: Buffer) => {
      log = (log + chunk).slice(-2000);
    });
    const closed = new Promise<void>((resolve) => {
      child.once('close', () => {
        running = false;
        resolve();
      });
    });
    const stopServer = async () => {
      child.stdin?.end();
      await closed;
    };
    const state = await until(async () => (running ? await processId(connect()) : 'ended'), {
      what: 'Redis',
      timeoutMs: 60_000,
    }).catch(() => 'silent');
    if (typeof state === 'string') {
      await stopServer();
      throw new Error(`Redis did not start: ${log.trim()}`);
    }
    server = { end: stopServer, pid: state, name };
  };
  const kill = async () => {
    const ended = server;
    server = undefined;
    await writeFile(keep, '');
    await ended?.end();
  };
  const signal = async (which: 'SIGSTOP' | 'SIGCONT') => {
    if (server !== undefined) await launcher.signal(server.pid, server.name, which);
  };
  const call: RedisProcess['call'] = async (name, ...rest) => {
    const redis = connect();
    try {
      await redis.connect();
      return await redis.call(name, ...rest);
    } finally {
      redis.disconnect();
    }
  };
  const stop = async () => {
    await kill();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    port,
    pause: () => signal('SIGSTOP'),
    resume: () => signal('SIGCONT'),
    kill,
    start,
    async killConnections() {
      await call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await call('CLIENT', 'KILL', 'TYPE', 'normal');
    },
    call,
    stop,
  };
}

/** The server's own process id; that of a container is not one of this machine, and is not used. */
async function processId(redis: Redis): Promise<number> {
  try {
    await redis.connect();
    return Number(/process_id:(\d+)/.exec(await redis.info('server'))?.[1]);
  } finally {
    redis.disconnect();
  }
}

async function installed(): Promise<Launcher | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const binary = join(folder, 'redis-server');
    if (folder === '' || !(await isExecutable(binary))) continue;
    return {
      command: () => `'${binary}'`,
      // One that is paused hears nothing else.
      end: () => 'kill -KILL $pid',
      signal: async (pid, _name, signal) => {
        process.kill(pid, signal);
      },
    };
  }
  return undefined;
}

async function docker(): Promise<Launcher | undefined> {
  // Servers of a cluster tell clients their ports, which have to be the host's.
  if (process.platform !== 'linux') return undefined;
  try {
    await run('docker', ['info'], { timeout: 10_000 });
  } catch {
    return undefined;
  }
  return {
    command: (folder, name) =>
      `docker run --rm --name ${name} --network host -v '${folder}:${folder}' ${IMAGE} redis-server`,
    end: (name) => `docker rm -f ${name} >/dev/null`,
    signal: async (_pid, name, signal) => {
      await run('docker', [signal === 'SIGSTOP' ? 'pause' : 'unpause', name]);
    },
  };
}

async function apt(): Promise<Launcher | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  if (
    !(await access('/etc/debian_version').then(
      () => true,
      () => false,
    ))
  )
    return undefined;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['update', '-qq'], { env });
  await run('apt-get', ['install', '-qq', '--no-install-recommends', 'redis-server'], { env });
  return await installed();
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

export function freePort(): Promise<number> {
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
