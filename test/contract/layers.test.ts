import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A project that breaks rules, and the rule that each file has to be caught by. */
const FILES: readonly [file: string, content: string, rule: string | undefined][] = [
  ['edge/app.ts', `import { Hono } from 'hono';\nexport const app = new Hono();\n`, undefined],
  ['compose.ts', `export { app } from './edge/app.ts';\n`, undefined],
  ['router/table.ts', `export { app } from '../edge/app.ts';\n`, 'edge-is-the-top'],
  [
    'protocol/typed.ts',
    `import type { Config } from '../config.ts';\nexport type X = Config;\n`,
    'layer-protocol',
  ],
  ['protocol/io.ts', `export { readFile } from 'node:fs/promises';\n`, 'protocol-is-pure'],
  ['session/lazy.ts', `export const lazy = () => import('../router/table.ts');\n`, 'layer-session'],
  ['catalog/http.ts', `export { Pool } from 'undici';\n`, 'vendor-undici'],
  ['auth/made.ts', `export { app } from '../compose.ts';\n`, 'composition-root'],
  ['db/a.ts', `export { b } from './b.ts';\nexport const a = 1;\n`, 'no-circular'],
  // A cycle is reported once, where it is entered.
  ['db/b.ts', `import { a } from './a.ts';\nexport const b = a;\n`, undefined],
  ['jobs/dev.ts', `export { fc } from 'fast-check';\n`, 'no-dev-dependencies'],
  ['jobs/lost.ts', `export { x } from './nowhere.ts';\n`, 'resolvable'],
  ['config.ts', `export interface Config { readonly a: 1 }\n`, undefined],
];

let folder: string;
let violations: { readonly from: string; readonly rule: { readonly name: string } }[];

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'dragon-layers-'));
  for (const name of ['node_modules', 'package.json', '.dependency-cruiser.cjs']) {
    symlinkSync(join(ROOT, name), join(folder, name));
  }
  for (const [file, content] of FILES) {
    mkdirSync(join(folder, 'src', dirname(file)), { recursive: true });
    writeFileSync(join(folder, 'src', file), content);
  }
  const cruiser = join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');
  const result = spawnSync(
    process.execPath,
    [cruiser, 'src', '--config', '.dependency-cruiser.cjs', '--output-type', 'json'],
    { cwd: folder, encoding: 'utf8' },
  );
  violations = JSON.parse(result.stdout).summary.violations;
});

after(() => rmSync(folder, { recursive: true, force: true }));

for (const [file, , rule] of FILES) {
  test(`${file}: ${rule ?? 'nothing to report'}`, () => {
    const found = violations
      .filter(({ from }) => from === `src/${file}`)
      .map((violation) => violation.rule.name);
    if (rule === undefined) assert.deepEqual(found, []);
    else assert.ok(found.includes(rule), `found: ${found.join(', ') || 'nothing'}`);
  });
}
