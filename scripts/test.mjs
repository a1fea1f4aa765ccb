// `npm test`: sets itself up, then runs every check in order and stops at the first that fails. The tests come last,
// so that the output ends with the test runner's own summary. `npm test -- types unit` runs only the steps named.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { begin, pinnedEnvironment } from './setup.mjs';

const self = fileURLToPath(import.meta.url);
const root = dirname(dirname(self));

/** Each step is a script for Node, with its arguments. */
const STEPS = {
  types: ['node_modules/typescript/bin/tsc', '--noEmit', '-p', '.'],
  lint: ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '--colors=off'],
  layers: [
    'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs',
    'src',
    '--config',
    '.dependency-cruiser.cjs',
  ],
  unused: ['node_modules/knip/bin/knip.js', '--no-progress', '--treat-config-hints-as-errors'],
  generated: ['scripts/generate.mjs', '--check'],
};

/**
 * Steps that are files for the test runner. They run together, so that there is one summary. Each folder of test/ is
 * one, so that a new one cannot be forgotten.
 */
const SUITES = {
  unit: 'src/**/*.test.ts',
  ...Object.fromEntries(
    readdirSync(join(root, 'test'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => [name, `test/${name}/**/*.test.ts`]),
  ),
};

await begin(self, root, async () => {
  process.exitCode = await main(process.argv.slice(2));
});

async function main(names) {
  const known = [...Object.keys(STEPS), ...Object.keys(SUITES)];
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    process.stderr.write(`Unknown step: ${unknown.join(', ')}. Steps: ${known.join(', ')}.\n`);
    return 2;
  }
  const wanted = names.length === 0 ? known : names;
  for (const [name, command] of Object.entries(STEPS)) {
    if (!wanted.includes(name)) continue;
    const started = performance.now();
    const { code, output } = await run(command, 'pipe');
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    process.stdout.write(`${code === 0 ? '✔' : '✖'} ${name} (${seconds} s)\n`);
    if (code !== 0) {
      process.stdout.write(output);
      return 1;
    }
  }
  const patterns = Object.entries(SUITES).flatMap(([name, glob]) => (wanted.includes(name) ? [glob] : []));
  if (patterns.length === 0) return 0;
  // Only now: what it needs may just have been installed.
  const { bundleGateway } = await import('./bundle.mjs');
  const GATEWAY_BUNDLE = await bundleGateway(root);
  return (await run([...testRunner(), ...patterns], 'inherit', { GATEWAY_BUNDLE })).code;
}

/** Files spend much of their time waiting for processes, so one more runs at once than there are cores. */
function testRunner() {
  const concurrency = availableParallelism() + 1;
  return ['--test', `--test-concurrency=${concurrency}`, '--test-timeout=180000'];
}

/** Runs a script with this Node and waits for it; a signal to us reaches it, so that nothing is left running. */
function run(arguments_, output, environment = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, arguments_, {
      cwd: root,
      // Compiled once, not by each of some hundred processes.
      env: {
        ...pinnedEnvironment(root),
        ...environment,
        NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'compiled'),
      },
      stdio: output === 'inherit' ? 'inherit' : ['ignore', 'pipe', 'pipe'],
    });
    const stop = (signal) => child.kill(signal);
    process.on('SIGINT', stop).on('SIGTERM', stop);
    const chunks = [];
    child.stdout?.on('data', (chunk) => chunks.push(chunk));
    child.stderr?.on('data', (chunk) => chunks.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      process.off('SIGINT', stop).off('SIGTERM', stop);
      resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString() });
    });
  });
}
