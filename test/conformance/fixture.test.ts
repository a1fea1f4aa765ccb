import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Fixture } from '../fixture/server.ts';
import { startFixture } from '../fixture/server.ts';
import { required, requiredScenarios, runSuite, single } from './suite.ts';

describe('conformance fixture', () => {
  let fixture: Fixture;
  before(async () => {
    fixture = await startFixture();
  });
  after(() => fixture.close());

  // What 2025-11-25 requires is run together with the gateway.
  it('passes all that 2026-07-28 requires of a server', async () => {
    const scenarios = await requiredScenarios('2026-07-28');
    const results = await runSuite('0.2', fixture.url, required('2026-07-28'));
    assert.equal(scenarios.length, 37);
    const failed = scenarios.filter((name) => results.get(name)?.passed !== true);
    assert.deepEqual(
      failed.map((name) => [name, results.get(name)?.failures]),
      [],
    );
  });

  it('tells which check failed', async () => {
    const results = await runSuite('0.2', `${fixture.url}/elsewhere`, single('tools-list', '2025-11-25'));
    assert.equal(results.get('tools-list')?.passed, false);
    assert.notEqual(results.get('tools-list')?.failures.length, 0);
  });
});
