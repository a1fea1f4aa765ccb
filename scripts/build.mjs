// `npm run build`: what is published. dist/ is made anew, so that nothing of an older build is packed.
import { spawnSync } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');

rmSync(join(root, 'dist'), { recursive: true, force: true });
const result = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
// tsc leaves out what it does not compile.
const scripts = join('coordination', 'redis', 'scripts');
if (result.status === 0) cpSync(join(root, 'src', scripts), join(root, 'dist', scripts), { recursive: true });
process.exitCode = result.status ?? 1;
