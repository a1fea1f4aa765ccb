import { startFixture } from '../fixture/server.ts';
import { startGateway } from '../support/gateway.ts';
import type { Expected } from './expected.ts';
import type { Run } from './report.ts';
import { all, forced, required, runSuite, type SuiteResults, single, suiteVersion } from './suite.ts';

const HAVE_REQUIREMENTS: ReadonlySet<string> = new Set(['2026-07-28', '2025-11-25']);

/** Runs scenarios directly against a fresh fixture, and through a fresh gateway in front of it. */
export async function compare(expected: readonly Expected[], only?: string): Promise<readonly Run[]> {
  const fixture = await startFixture();
  const gateway = await startGateway({ env: { DRAGON_BUILTIN_TOOLS: 'off' } });
  try {
    await gateway.addServer({ name: 'fixture', url: fixture.url, toolPrefix: '' });
    const runs: Run[] = [];
    for (const each of expected) {
      const { suite, revision } = each;
      const scenarios = [...each.scenarios, ...(each.forced ?? [])];
      runs.push({
        version: await suiteVersion(suite),
        revision,
        scenarios: only === undefined ? scenarios : scenarios.filter((name) => name === only),
        ...(each.forced !== undefined && { forced: each.forced }),
        direct: await runAll(fixture.url, each, only),
        through: await runAll(gateway.mcpUrl, each, only),
      });
    }
    return runs;
  } finally {
    await gateway.stop();
    await fixture.close();
  }
}

async function runAll(url: string, expected: Expected, only: string | undefined): Promise<SuiteResults> {
  const { suite, revision } = expected;
  const isForced = (name: string) => expected.forced?.includes(name) === true;
  if (only !== undefined) {
    return runSuite(suite, url, isForced(only) ? forced(only, revision) : single(only, revision));
  }
  // Only the newer suite knows requirements, and only those of the latest revision of each era.
  const own = suite === '0.2' && HAVE_REQUIREMENTS.has(revision) ? required(revision) : all(revision);
  const results = new Map(await runSuite(suite, url, own));
  for (const name of expected.forced ?? []) {
    for (const [scenario, result] of await runSuite(suite, url, forced(name, revision))) {
      results.set(scenario, result);
    }
  }
  return results;
}
