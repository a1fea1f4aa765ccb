#!/usr/bin/env node
// Starts the `dragon` command. Plain JavaScript that old versions of Node can parse, so that they get a message
// instead of a syntax error. In a published package the command is compiled (dist/); in a checkout it is TypeScript,
// run by the Node that package.json pins.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import module, { createRequire } from 'node:module';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const self = fileURLToPath(import.meta.url);
const root = dirname(dirname(self));
const source = join(root, 'src', 'cli', 'main.ts');
const checkout = existsSync(source);
const oldest = checkout ? [24, 0] : [22, 19];

if (recentEnough(process.versions.node)) {
  module.enableCompileCache?.();
  const entry = checkout ? source : join(root, 'dist', 'cli', 'main.js');
  await import(pathToFileURL(entry).href);
} else {
  const bundled = bundledNode();
  if (bundled === undefined) {
    const fix = checkout
      ? 'run `npm install`, which brings one'
      : 'add one beside it with `npm install node@24`';
    process.stderr.write(
      `dragon needs Node ${oldest.join('.')} or later and this is ${process.version}: ${fix}, or upgrade Node.\n`,
    );
    process.exitCode = 1;
  } else {
    runWith(bundled);
  }
}

/** @param {string} version */
function recentEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > oldest[0] || (major === oldest[0] && minor >= oldest[1]);
}

/** The executable of the npm package `node`, where a recent one is installed beside us. */
function bundledNode() {
  try {
    const manifest = createRequire(import.meta.url).resolve('node/package.json');
    if (!recentEnough(JSON.parse(readFileSync(manifest, 'utf8')).version)) return undefined;
    return ['node', 'node.exe']
      .map((name) => join(dirname(manifest), 'bin', name))
      .find((path) => existsSync(path));
  } catch {
    return undefined;
  }
}

/** @param {string} node */
function runWith(node) {
  const child = spawn(node, [self, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => {
      process.on(signal, () => {});
      child.kill(signal);
    });
  }
  child.on('error', (error) => {
    process.stderr.write(`dragon cannot run ${node}: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.exitCode = signal === null ? (code ?? 1) : 128 + constants.signals[signal];
  });
}
