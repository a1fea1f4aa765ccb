// Brings node_modules up to date with package-lock.json. Plain JavaScript for any Node since 18, because it runs
// before the pinned Node is there.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync, utimesSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';

const OLDEST_MAJOR = 24;

/** The Node that package.json pins, as an executable. */
export function pinnedNode(root) {
  return join(root, 'node_modules', 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
}

/** Whether the running Node can run the project's TypeScript itself. */
export function canRunSource() {
  return Number(process.versions.node.split('.')[0]) >= OLDEST_MAJOR;
}

/** Installs what package-lock.json says, where that is not what is installed. Returns whether it had to. */
export function ensureInstalled(root) {
  if (isInstalled(root)) return false;
  process.stderr.write('Installing packages (npm ci). The first time takes a minute or so.\n');
  const arguments_ = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const npm = process.env['npm_execpath'];
  const result = npm
    ? spawnSync(process.execPath, [npm, ...arguments_], { cwd: root, stdio: 'inherit' })
    : spawnSync('npm', arguments_, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' });
  if (result.error) throw new SetupError(`npm could not be started: ${result.error.message}`);
  if (result.status !== 0) throw new SetupError('npm ci failed; its output is above.');
  if (!canRunSource() && !existsSync(pinnedNode(root))) {
    throw new SetupError(
      'The npm package `node` was installed without its install script. ' +
        'Allow it (npm install-scripts approve node, or without --ignore-scripts) or use Node 24 itself.',
    );
  }
  return true;
}

/**
 * What every command of the checkout begins with: installs what is missing, then runs `start` in this process where its
 * Node can, else `script` once more with the pinned one.
 */
export async function begin(script, root, start) {
  try {
    ensureInstalled(root);
    if (canRunSource()) await start();
    else
      runForeground(pinnedNode(root), [script, ...process.argv.slice(2)], { env: pinnedEnvironment(root) });
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}

/** A failure that is told in one line. */
class SetupError extends Error {}

function isInstalled(root) {
  const wanted = join(root, 'package-lock.json');
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installed)) return false;
  if (!canRunSource() && !existsSync(pinnedNode(root))) return false;
  if (statSync(installed).mtimeMs >= statSync(wanted).mtimeMs) return true;
  // A checkout touches the file without changing what it says, so the times only tell when to look closer.
  if (!sameVersions(wanted, installed)) return false;
  const now = new Date();
  utimesSync(installed, now, now);
  return true;
}

/** Packages for other platforms are optional and absent here; everything else has to be there as wanted. */
function sameVersions(wantedFile, installedFile) {
  const wanted = JSON.parse(readFileSync(wantedFile, 'utf8')).packages;
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages;
  const present = Object.keys(installed).every((path) => path in wanted);
  return (
    present &&
    Object.entries(wanted).every(([path, entry]) => {
      if (path === '') return true;
      const found = installed[path];
      return found === undefined
        ? entry.optional === true || entry.devOptional === true
        : found.version === entry.version;
    })
  );
}

/** The environment in which `node` and the tools of node_modules are the pinned ones. */
export function pinnedEnvironment(root) {
  const folders = [join(root, 'node_modules', '.bin'), process.env['PATH'] ?? ''];
  return { ...process.env, PATH: folders.join(delimiter) };
}

/**
 * Runs a command on the terminal of this process until it ends and takes over its exit code. A signal is passed on
 * once: a terminal and npm may both send the same one.
 */
export function runForeground(command, arguments_, options) {
  const child = spawn(command, arguments_, { ...options, stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => {
      process.on(signal, () => {});
      child.kill(signal);
    });
  }
  child.on('error', (error) => {
    process.stderr.write(`${command} could not be started: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.exitCode = signal === null ? (code ?? 1) : 128 + constants.signals[signal];
  });
}
