import assert from 'node:assert/strict';
import { it } from 'node:test';
import { compare } from './compare.ts';
import { expectedScenarios } from './expected.ts';
import { unexpected } from './report.ts';

it('passes what the official suite requires, directly and through the gateway', async () => {
  const expected = await expectedScenarios();
  const runs = await compare(Object.keys(expected));
  assert.equal(runs.length, Object.keys(expected).length);
  for (const run of runs) assert.deepEqual(unexpected(run, expected[run.revision] ?? []), []);
});
