import { startFixture } from '../fixture/server.ts';
import { startGateway } from '../support/gateway.ts';
import type { Run } from './report.ts';
import { requiredScenarios, runSuite } from './suite.ts';

/** Runs the suite directly against a fresh fixture and through a fresh gateway in front of it. */
export async function compare(revisions: readonly string[], only?: string): Promise<readonly Run[]> {
  const fixture = await startFixture();
  const gateway = await startGateway({ env: { DRAGON_BUILTIN_TOOLS: 'off' } });
  try {
    await gateway.addServer({ name: 'fixture', url: fixture.url, toolPrefix: '' });
    const runs: Run[] = [];
    for (const revision of revisions) {
      const required = only === undefined ? await requiredScenarios(revision) : [only];
      const direct = await runSuite(fixture.url, revision, only);
      const through = await runSuite(gateway.mcpUrl, revision, only);
      runs.push({ revision, required, direct, through });
    }
    return runs;
  } finally {
    await gateway.stop();
    await fixture.close();
  }
}
