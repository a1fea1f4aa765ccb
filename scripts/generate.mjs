// `npm run generate`: makes src/gen from proto/ and docs/configuration.md from the configuration schema,
// and the table of docs/eras.md from the tests.
// With --check it writes nothing and fails where the committed files are not what would be made.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pinnedEnvironment } from './setup.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const generated = join(root, 'src', 'gen');
const check = process.argv.includes('--check');
const buf = join(dirname(createRequire(import.meta.url).resolve('@bufbuild/buf/package.json')), 'bin', 'buf');

if (check) {
  const scratch = mkdtempSync(join(tmpdir(), 'dragon-gen-'));
  try {
    run(buf, ['generate', '-o', scratch]);
    const differences = compare(join(scratch, 'src', 'gen'));
    if (differences.length > 0) {
      fail(`src/gen is not what proto/ makes:\n${differences.map((line) => `  ${line}\n`).join('')}`);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
} else {
  run(buf, ['generate']);
}
run('scripts/generate-config-docs.ts', check ? ['--check'] : []);
run('scripts/generate-eras-docs.ts', check ? ['--check'] : []);

/** What differs between the committed files and freshly made ones. Files under buf/ are written by hand. */
function compare(fresh) {
  const made = files(fresh);
  const kept = files(generated).filter((path) => !path.startsWith(`buf${sep}`));
  return [
    ...made
      .filter((path) => !kept.includes(path) || read(fresh, path) !== read(generated, path))
      .map((path) => `${path}: run npm run generate`),
    ...kept.filter((path) => !made.includes(path)).map((path) => `${path}: nothing makes this file any more`),
  ];
}

function files(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

function read(folder, path) {
  return readFileSync(join(folder, path), 'utf8');
}

function run(script, arguments_) {
  const result = spawnSync(process.execPath, [script, ...arguments_], {
    cwd: root,
    env: pinnedEnvironment(root),
    stdio: 'inherit',
  });
  if (result.status !== 0) fail(`${script} failed`);
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
