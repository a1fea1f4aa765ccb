import assert from 'node:assert/strict';
import { it } from 'node:test';
import { required, requiredScenarios, runSuite } from '../conformance/suite.ts';
import { startFixture } from '../fixture/server.ts';
import { startCluster } from '../support/cluster.ts';

it('passes what the official suite requires through three nodes, each request at another', async (t) => {
  const [cluster, fixture] = await Promise.all([
    startCluster({ env: { DRAGON_BUILTIN_TOOLS: 'off' } }),
    startFixture(),
  ]);
  t.after(async () => {
    await cluster.stop();
    await fixture.close();
  });
  await cluster.nodes[0]!.addServer({ name: 'fixture', url: fixture.url, toolPrefix: '' });

  const scenarios = await requiredScenarios('2025-11-25');
  const results = await runSuite('0.2', cluster.mcpUrl, required('2025-11-25'));
  assert.equal(scenarios.length, 30);
  const failed = scenarios.filter((name) => results.get(name)?.passed !== true);
  assert.deepEqual(
    failed.map((name) => [name, results.get(name)?.failures]),
    [],
  );
  const counts = Object.values(cluster.balancer.counts);
  assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, `not in turn: ${counts}`);
  assert.equal(cluster.balancer.broken, 0);
});
