import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, chmod, constants, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { until } from './wait.ts';

const CONF = new URL('../../deploy/nginx/nginx.conf', import.meta.url);

/** Ports of a gateway in its container, and of the balancer in its own. */
const PORTS = { mcp: 8081, management: 8080, ops: 8558 } as const;
type Face = keyof typeof PORTS;

/** `host:port` of three nodes. */
export type NodeAddresses = Readonly<Record<Face, string>>;

export interface Nginx {
  readonly mcpUrl: string;
  /** Absent where this nginx cannot balance connections (its stream module is missing). */
  readonly managementUrl?: string;
  readonly opsUrl?: string;
  /** What it logged. */
  readonly output: string;
  stop(): Promise<void>;
}

interface Binary {
  readonly path: string;
  /** What is put before the configuration; undefined where there is no stream module. */
  readonly loadStream: string | undefined;
}

/** An nginx of this machine, or of TEST_NGINX; undefined where there is none. */
export async function findNginx(): Promise<Binary | undefined> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  const candidates = [process.env['TEST_NGINX'] ?? '', ...folders.map((folder) => join(folder, 'nginx'))];
  for (const path of candidates) {
    if (path === '' || !(await isExecutable(path))) continue;
    const { stderr: about } = await promisify(execFile)(path, ['-V']);
    return { path, loadStream: await streamModule(about) };
  }
  return undefined;
}

/**
 * Runs nginx with the configuration of the repository, in which only addresses are changed, in front of three nodes.
 * Throws with its own words where it does not take the configuration.
 */
export async function startNginx(binary: Binary, nodes: readonly NodeAddresses[]): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), 'dragon-nginx-'));
  // Started by root, it works as another user, who has to get at large bodies.
  await chmod(folder, 0o711);
  const conf = join(folder, 'nginx.conf');
  const ports = { mcp: await freePort(), management: await freePort(), ops: await freePort() };
  const text = await readFile(CONF, 'utf8');
  await writeFile(conf, localise(text, { folder, nodes, ports, loadStream: binary.loadStream }));
  let output = '';
  const child = spawn(binary.path, ['-p', folder, '-c', conf, '-g', 'daemon off;'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk;
  });
  const kill = () => child.kill('SIGTERM');
  process.once('exit', kill);
  const closed = once(child, 'close').finally(() => process.off('exit', kill));
  const stop = async () => {
    child.kill('SIGTERM');
    await closed;
    await rm(folder, { recursive: true, force: true });
  };
  const urlOf = (face: Face) => `http://127.0.0.1:${ports[face]}`;
  const answers = () => fetch(`${urlOf('mcp')}/readyz`).then((response) => response.status > 0);
  const state = await until(async () => (child.exitCode === null ? await answers() : 'ended'), {
    what: 'nginx',
  }).catch(() => 'silent');
  if (state !== true) {
    await stop();
    throw new Error(`nginx did not start: ${output}`);
  }
  return {
    mcpUrl: `${urlOf('mcp')}/mcp`,
    ...(binary.loadStream !== undefined && { managementUrl: urlOf('management'), opsUrl: urlOf('ops') }),
    get output() {
      return output;
    },
    stop,
  };
}

interface Local {
  readonly folder: string;
  readonly nodes: readonly NodeAddresses[];
  readonly ports: Readonly<Record<Face, number>>;
  readonly loadStream: string | undefined;
}

function localise(conf: string, { folder, nodes, ports, loadStream }: Local): string {
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `  ${kind}_temp_path ${join(folder, kind)};`,
  );
  let local = replaced(conf, /\/tmp\/nginx\.pid/, join(folder, 'nginx.pid'));
  local = replaced(local, /^http \{$/m, `http {\n${temp.join('\n')}`);
  // The names of nodes and who resolves them are Docker's.
  local = replaced(local, /^ +resolver .*\n/gm, '');
  local = replaced(local, / resolve;/g, ';');
  for (const [face, port] of Object.entries(PORTS) as [Face, number][]) {
    for (const [index, node] of nodes.entries()) {
      local = replaced(local, new RegExp(`gateway-${index + 1}:${port}\\b`), node[face]);
    }
    local = replaced(local, new RegExp(`listen ${port};`), `listen 127.0.0.1:${ports[face]};`);
  }
  if (/gateway-\d/.test(local.replace(/#.*/g, ''))) throw new Error(`More nodes than three:\n${local}`);
  return loadStream === undefined ? replaced(local, /^stream \{[\s\S]*^\}$/m, '') : `${loadStream}\n${local}`;
}

/** A replacement that must not miss: the configuration may have changed since this was written. */
function replaced(text: string, pattern: RegExp, by: string): string {
  if (text.search(pattern) === -1) throw new Error(`${pattern} is not in the configuration`);
  return text.replace(pattern, () => by);
}

/** Debian builds it as a module of its own, the official image builds it in. */
async function streamModule(about: string): Promise<string | undefined> {
  if (!about.includes('--with-stream=dynamic')) return /--with-stream\b(?!_)/.test(about) ? '' : undefined;
  const folder = process.env['TEST_NGINX_MODULES'] ?? /--modules-path=(\S+)/.exec(about)?.[1] ?? '';
  const path = join(folder, 'ngx_stream_module.so');
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  return isThere ? `load_module ${path};` : undefined;
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
}
