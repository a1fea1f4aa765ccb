import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runAsClient } from './client.ts';
import { allExpected } from './expected.ts';
import { unexpected } from './report.ts';

const { client } = await allExpected();

/** One of each kind of what they have for log-ins, which is most of it. `npm run conformance` goes through all. */
const LOGINS: ReadonlySet<string> = new Set([
  'auth/metadata-default',
  'auth/metadata-var3',
  'auth/scope-step-up',
  'auth/token-endpoint-auth-post',
  'auth/pre-registration',
  'auth/2025-03-26-oauth-endpoint-fallback',
  'auth/resource-mismatch',
  'auth/authorization-server-migration',
  'auth/iss-wrong-issuer',
]);

/** What `npm test` has time for. */
function bounded(scenarios: readonly string[]): readonly string[] {
  return scenarios.filter((name) => !name.startsWith('auth/') || LOGINS.has(name));
}

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
      const runs = await runAsClient([{ ...expected, scenarios: bounded(expected.scenarios) }]);
      assert.equal(runs.length, 1);
      assert.deepEqual(runs.flatMap(unexpected), []);
    });
  }
});
