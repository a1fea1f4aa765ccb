import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onThreeNodes, throughThree } from '../conformance/compare.ts';
import { allExpected } from '../conformance/expected.ts';
import { unexpected } from '../conformance/report.ts';

it('passes what the official suite requires through three nodes, each request at another, over servers of both eras', async () => {
  const { server } = await allExpected();
  const runs = await throughThree(onThreeNodes(server));
  assert.deepEqual(
    runs.map(({ revision, over, scenarios }) => [revision, over, scenarios.length]),
    [
      ['2026-07-28', undefined, 37],
      ['2025-11-25', undefined, 30],
      ['2026-07-28', 'legacy', 37],
      ['2025-11-25', 'modern', 30],
    ],
  );
  assert.deepEqual(runs.flatMap(unexpected), []);
});
