// Writes the table of docs/eras.md from what test/eras/matrix.test.ts proves; with --check, fails when it is stale.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { matrixTable } from '../test/eras/cells.ts';

const file = fileURLToPath(new URL('../docs/eras.md', import.meta.url));
const [BEGIN, END] = [
  '<!-- The table is made by scripts/generate-eras-docs.ts. -->',
  '<!-- End of the table. -->',
];

const page = readFileSync(file, 'utf8');
const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
if (begin === -1 || end < begin) throw new Error('docs/eras.md has no place for the table');
const fresh = `${page.slice(0, begin + BEGIN.length)}\n\n${matrixTable()}\n\n${page.slice(end)}`;
if (!process.argv.includes('--check')) {
  writeFileSync(file, fresh);
} else if (fresh !== page) {
  process.stderr.write('docs/eras.md is stale: run node scripts/generate-eras-docs.ts\n');
  process.exitCode = 1;
}
