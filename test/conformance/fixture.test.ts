import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Fixture } from '../fixture/server.ts';
import { startFixture } from '../fixture/server.ts';
import { requiredScenarios, runSuite } from './suite.ts';

describe('conformance fixture', () => {
  let fixture: Fixture;
  before(async () => {
    fixture = await startFixture();
  });
  after(() => fixture.close());

  for (const revision of ['2025-11-25', '2026-07-28']) {
    it(`passes all that ${revision} requires of a server`, async () => {
      const required = await requiredScenarios(revision);
      const results = await runSuite(fixture.url, revision);
      assert.ok(required.length >= 30);
      const failed = required.filter((name) => results.get(name)?.passed !== true);
      assert.deepEqual(
        failed.map((name) => [name, results.get(name)?.failures]),
        [],
      );
    });
  }

  it('tells which check failed', async () => {
    const results = await runSuite(`${fixture.url}/elsewhere`, '2025-11-25', 'tools-list');
    assert.equal(results.get('tools-list')?.passed, false);
    assert.notEqual(results.get('tools-list')?.failures.length, 0);
  });
});
