import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Fixture } from '../fixture/server.ts';
import { startFixture } from '../fixture/server.ts';
import { onThreeNodes } from './compare.ts';
import { allExpected } from './expected.ts';
import { requiredScenarios, runSuite, single } from './suite.ts';

describe('conformance fixture', () => {
  let fixture: Fixture;
  before(async () => {
    fixture = await startFixture();
  });
  after(() => fixture.close());

  it('has to pass what the suite itself says is required', async () => {
    const { server } = await allExpected();
    for (const { suite, revision, scenarios } of onThreeNodes(server))
      assert.deepEqual(scenarios, await requiredScenarios(revision), `${suite} ${revision}`);
  });

  it('tells which check failed', async () => {
    const results = await runSuite('0.2', `${fixture.url}/elsewhere`, single('tools-list', '2025-11-25'));
    assert.equal(results.get('tools-list')?.passed, false);
    assert.notEqual(results.get('tools-list')?.failures.length, 0);
  });
});
