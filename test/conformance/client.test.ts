import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runAsClient } from './client.ts';
import { allExpected } from './expected.ts';
import { unexpected } from './report.ts';

const { client } = await allExpected();

describe('as the client of the official suites’ servers', () => {
  it('all that they have for clients is looked at', () => {
    assert.deepEqual(
      client.map(({ suite, scenarios }) => [suite, scenarios.length]),
      [
        ['0.2', 18],
        ['0.2', 2],
        ['0.1', 4],
        ['0.2', 2],
        ['0.2', 15],
      ],
    );
  });

  for (const expected of client) {
    it(`passes what ${expected.suite} has for ${expected.revision}`, async () => {
      const runs = await runAsClient([expected]);
      assert.equal(runs.length, 1);
      assert.deepEqual(runs.flatMap(unexpected), []);
    });
  }
});
