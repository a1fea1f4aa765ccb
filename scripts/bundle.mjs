// Puts the gateway into a few files for `npm test`, which starts it some hundreds of times: most of what a start
// costs is finding and reading 1,200 modules.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

/** These load files beside themselves in ways that cannot be followed, or start threads from them. */
const EXTERNAL = ['@electric-sql/pglite', 'bullmq', 'ioredis', 'jsonc-parser', 'pino', 'pino-pretty'];

/** These look for each other, which are files of the bundle; all others look for files beside their source. */
const ENTRIES = ['src/main.ts', 'src/worker.ts', 'src/primary.ts', 'src/cli/main.ts'];

/** Makes the bundle anew. Returns the path of what is started instead of src/main.ts. */
export async function bundleGateway(root) {
  const folder = join(root, 'node_modules', '.cache', 'gateway');
  const entries = new Set(ENTRIES.map((file) => join(root, file)));
  await build({
    absWorkingDir: root,
    entryPoints: ENTRIES,
    outdir: folder,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    keepNames: true,
    external: EXTERNAL,
    // For what some packages still require.
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
    },
    logLevel: 'error',
    plugins: [
      {
        name: 'where the source is',
        setup({ onLoad }) {
          onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, ({ path }) => {
            const source = readFileSync(path, 'utf8');
            if (entries.has(path) || !source.includes('import.meta.url')) return undefined;
            const url = JSON.stringify(pathToFileURL(path).href);
            return { loader: 'ts', contents: source.replaceAll('import.meta.url', url) };
          });
        },
      },
    ],
  });
  return join(folder, 'main.mjs');
}
