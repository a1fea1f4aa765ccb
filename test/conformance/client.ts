import { fileURLToPath } from 'node:url';
import { startGateway } from '../support/gateway.ts';
import type { Expected } from './expected.ts';
import type { Run } from './report.ts';
import { forced, runClient, type SuiteResults, single, suiteVersion } from './suite.ts';

const DRIVER = fileURLToPath(new URL('./drive.ts', import.meta.url));

/** Runs the suite's client scenarios with a gateway as the client of the suite's servers. */
export async function runAsClient(expected: readonly Expected[]): Promise<readonly Run[]> {
  const gateway = await startGateway({
    // At an https address the gateway is a client that describes itself.
    env: { DRAGON_BUILTIN_TOOLS: 'off', DRAGON_PUBLIC_URL: 'https://conformance-test.local' },
  });
  try {
    const command = [process.execPath, DRIVER, gateway.mcpUrl, gateway.grpcUrl];
    const runs: Run[] = [];
    for (const { suite, revision, scenarios: own, forced: extra = [] } of expected) {
      const scenarios = [...own, ...extra];
      const results: SuiteResults[] = [];
      for (const name of scenarios) {
        // The older suite's clients speak its one revision.
        const chosen = extra.includes(name) ? forced(name, revision) : single(name, revision);
        const selection = suite === '0.1' ? ['--scenario', name] : chosen;
        results.push(await runClient(suite, command, selection));
      }
      const merged = new Map(results.flatMap((each) => [...each]));
      runs.push({
        side: 'Client',
        version: await suiteVersion(suite),
        revision,
        scenarios,
        forced: extra,
        columns: { 'with the gateway as the client': merged },
      });
    }
    return runs;
  } finally {
    await gateway.stop();
  }
}
