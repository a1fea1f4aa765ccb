import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { mutated } from './mutant.ts';
import { MUTANTS } from './mutants.ts';
import { ROOT } from './tree.ts';

test('each mutant is of a text that stands in the code once', () => {
  for (const mutant of MUTANTS) {
    const { name, file, find, replace } = mutant;
    assert.ok(file.startsWith('src/') && !file.endsWith('.test.ts'), name);
    assert.notEqual(find, replace, name);
    assert.doesNotThrow(() => mutated(readFileSync(join(ROOT, file), 'utf8'), mutant), name);
  }
  const names = MUTANTS.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length, 'two have one name');
});

test('each mutant has a test that there is', () => {
  for (const { name, test: file, only } of MUTANTS) {
    assert.ok(file.endsWith('.test.ts') && existsSync(join(ROOT, file)), `${name}: ${file}`);
    assert.doesNotThrow(() => new RegExp(only ?? ''), name);
  }
});

test('each row of SECURITY.md names tests that there are, one of which has a mutant, and each mutant’s is in a row', () => {
  const rows = readFileSync(join(ROOT, 'SECURITY.md'), 'utf8')
    .split('## What shows it')[1]!
    .split('\n## ')[0]!
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .slice(1);
  assert.ok(rows.length > 15, `${rows.length} rows`);
  const shown = new Set(MUTANTS.map(({ test: file }) => file));
  const named = new Set<string>();
  for (const row of rows) {
    const [, promise = '', tests = ''] = row.split('|');
    const files = [...tests.matchAll(/`([^`]+)`/g)].flatMap(([, name = '']) => {
      // Those of the folder that most are in stand there by their names alone.
      const found = globSync(name.includes('/') ? name : `test/security/${name}`, { cwd: ROOT });
      assert.ok(found.length > 0, `${name}, of ${promise}`);
      for (const file of found) named.add(file);
      return found;
    });
    assert.ok(
      files.some((file) => shown.has(file)),
      `no mutant shows${promise}`,
    );
  }
  assert.deepEqual(
    [...shown].filter((file) => !named.has(file)),
    [],
  );
});
