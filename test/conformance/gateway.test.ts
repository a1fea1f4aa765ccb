import assert from 'node:assert/strict';
import { it } from 'node:test';
import { compare } from './compare.ts';
import { allExpected } from './expected.ts';
import { unexpected } from './report.ts';

/** Scenarios that have to be forced are left to `npm run conformance`: each is a process of its own. */
it('passes what the official suites have for servers, directly and through the gateway', async () => {
  const { server } = await allExpected();
  const runs = await compare(server.map(({ forced, ...each }) => each));
  assert.deepEqual(
    runs.map(({ version, revision, scenarios }) => [version.slice(0, 3), revision, scenarios.length]),
    [
      ['0.2', '2026-07-28', 37],
      ['0.2', '2025-11-25', 30],
      ['0.2', '2025-06-18', 27],
      ['0.2', '2025-03-26', 1],
      ['0.1', '2025-11-25', 32],
      ['0.2', '2026-07-28', 37],
      ['0.2', '2025-11-25', 30],
    ],
  );
  assert.deepEqual(runs.flatMap(unexpected), []);
});
