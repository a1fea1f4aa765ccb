import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { settingsTable } from './config/settings.ts';

const root = new URL('../', import.meta.url);

it('docs/configuration.md is what the settings say', () => {
  const script = fileURLToPath(new URL('scripts/generate-config-docs.ts', root));
  const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});

it('docs/configuration.md tells of every setting', () => {
  const page = readFileSync(new URL('docs/configuration.md', root), 'utf8');
  for (const { env } of settingsTable) assert.ok(page.includes(`\n### \`${env}\`\n`), env);
});
