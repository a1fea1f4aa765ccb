import { execFile } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Nothing here depends on them; so they are installed where they are measured, and these versions of them. */
export const PEERS = { 'mcp-proxy': '6.7.19', supergateway: '4.0.0', fastmcp: '4.20.16' } as const;
export type PeerName = keyof typeof PEERS;

const FOLDER = fileURLToPath(new URL('../../../node_modules/.cache/bench-peers', import.meta.url));
const TIMEOUT_MS = 180_000;

/** The folder that has them, which is filled the first time. Throws where that is not possible. */
export async function installPeers(): Promise<string> {
  if (await isInstalled()) return FOLDER;
  await mkdir(FOLDER, { recursive: true });
  const wanted = Object.entries(PEERS).map(([name, version]) => `${name}@${version}`);
  const args = ['install', '--prefix', FOLDER, '--ignore-scripts', '--no-audit', '--no-fund', ...wanted];
  await run(process.execPath, [npm(), ...args], { cwd: FOLDER, timeout: TIMEOUT_MS });
  if (!(await isInstalled())) throw new Error(`npm installed other versions than ${wanted.join(', ')}`);
  return FOLDER;
}

async function isInstalled(): Promise<boolean> {
  for (const [name, version] of Object.entries(PEERS)) {
    const text = await readFile(join(FOLDER, 'node_modules', name, 'package.json'), 'utf8').catch(() => '{}');
    if (JSON.parse(text).version !== version) return false;
  }
  return true;
}

/** The script of npm: run by this Node, whichever one its first line names. */
function npm(): string {
  const given = process.env['npm_execpath'];
  if (given !== undefined && existsSync(given)) return given;
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, 'npm');
    if (existsSync(path)) return realpathSync(path);
  }
  throw new Error('npm is not on the PATH');
}
