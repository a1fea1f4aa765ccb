import assert from 'node:assert/strict';
import { it } from 'node:test';
import { runAsClient } from './client.ts';
import { allExpected } from './expected.ts';
import { unexpected } from './report.ts';

it('passes what the official suites have for clients, as the client of the suites’ servers', async () => {
  const { client } = await allExpected();
  const runs = await runAsClient(client);
  assert.deepEqual(
    runs.map(({ version, scenarios }) => [version.slice(0, 3), scenarios.length]),
    [
      ['0.2', 5],
      ['0.2', 2],
      ['0.1', 4],
    ],
  );
  assert.deepEqual(runs.flatMap(unexpected), []);
});
