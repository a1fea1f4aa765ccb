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

  // What 2025-11-25 requires is run together with the gateway.
  it('passes all that 2026-07-28 requires of a server', async () => {
    const required = await requiredScenarios('2026-07-28');
    const results = await runSuite(fixture.url, '2026-07-28');
    assert.equal(required.length, 37);
    const failed = required.filter((name) => results.get(name)?.passed !== true);
    assert.deepEqual(
      failed.map((name) => [name, results.get(name)?.failures]),
      [],
    );
  });

  it('tells which check failed', async () => {
    const results = await runSuite(`${fixture.url}/elsewhere`, '2025-11-25', 'tools-list');
    assert.equal(results.get('tools-list')?.passed, false);
    assert.notEqual(results.get('tools-list')?.failures.length, 0);
  });
});
