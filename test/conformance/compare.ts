import { startCluster } from '../support/cluster.ts';
import { startGateway } from '../support/gateway.ts';
import type { Expected } from './expected.ts';
import type { Run } from './report.ts';
import { runExpected, SUBJECT_ENV, Subject } from './subject.ts';
import { type SuiteResults, suiteVersion } from './suite.ts';

/** Runs scenarios directly against the fixture, and through a fresh gateway in front of it. */
export async function compare(expected: readonly Expected[], only?: string): Promise<readonly Run[]> {
  const gateway = await startGateway({ env: SUBJECT_ENV });
  const subject = new Subject([gateway]);
  try {
    return await runAll(expected, only, subject, async (each) => {
      const through = runExpected(gateway.mcpUrl, each, only);
      // A fixture of another era passes nothing by itself.
      if (each.over !== undefined) return { 'through the gateway': await through };
      const direct = runExpected(await subject.fixture(undefined), each, only);
      return { directly: await direct, 'through the gateway': await through };
    });
  } finally {
    await gateway.stop();
    await subject.close();
  }
}

/** Those of {@link Expected} that are run through three nodes: the latest revision of each era, over servers of both. */
export function onThreeNodes(expected: readonly Expected[]): readonly Expected[] {
  return expected.filter(
    ({ suite, revision }) => suite === '0.2' && (revision === '2026-07-28' || revision === '2025-11-25'),
  );
}

/** Runs scenarios through three nodes, each request at another. Throws where the requests did not go round in turn. */
export async function throughThree(expected: readonly Expected[], only?: string): Promise<readonly Run[]> {
  if (expected.length === 0) return [];
  const cluster = await startCluster({ env: SUBJECT_ENV });
  const subject = new Subject(cluster.nodes);
  try {
    const runs = await runAll(expected, only, subject, async (each) => ({
      'through three nodes': await runExpected(cluster.mcpUrl, each, only),
    }));
    const counts = Object.values(cluster.balancer.counts);
    if (Math.max(...counts) - Math.min(...counts) > 1) throw new Error(`Requests not in turn: ${counts}`);
    if (cluster.balancer.broken > 0) throw new Error(`${cluster.balancer.broken} requests without an answer`);
    return runs;
  } finally {
    await cluster.stop();
    await subject.close();
  }
}

async function runAll(
  expected: readonly Expected[],
  only: string | undefined,
  subject: Subject,
  run: (expected: Expected) => Promise<Readonly<Record<string, SuiteResults>>>,
): Promise<readonly Run[]> {
  const runs: Run[] = [];
  let served: Expected['over'] | 'none' = 'none';
  for (const each of expected) {
    if (served !== each.over) await subject.serve(each.over);
    served = each.over;
    const scenarios = [...each.scenarios, ...(each.forced ?? [])];
    const isWanted = (name: string) => only === undefined || name === only;
    runs.push({
      side: 'Server',
      version: await suiteVersion(each.suite),
      revision: each.revision,
      ...(each.over !== undefined && { over: each.over }),
      scenarios: scenarios.filter(isWanted),
      impossible: (each.impossible ?? []).filter(({ scenario }) => isWanted(scenario)),
      ...(each.forced !== undefined && { forced: each.forced }),
      columns: await run(each),
    });
  }
  return runs;
}
