/**
 * `npm run conformance [-- --requirements REVISION[,REVISION]] [--only SCENARIO]`: the official suites, directly,
 * through one gateway and through three, and with the gateway as client. Without options it runs all of expected.json and writes
 * docs/conformance.md.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { runAsClient } from './client.ts';
import { compare, onThreeNodes, throughThree } from './compare.ts';
import { allExpected, type Expected } from './expected.ts';
import { markdownReport, merged, textReport, unexpected } from './report.ts';

const { values } = parseArgs({
  options: { requirements: { type: 'string' }, only: { type: 'string' } },
});

const revisions = values.requirements?.split(',');
const { only } = values;
const isWanted = ({ revision, scenarios, forced = [] }: Expected) =>
  (revisions?.includes(revision) ?? true) &&
  (only === undefined || scenarios.includes(only) || forced.includes(only));

const { server, client } = await allExpected();
const wanted = server.filter(isWanted);
const serverRuns = [...(await compare(wanted, only)), ...(await throughThree(onThreeNodes(wanted), only))];
const clientRuns = await runAsClient(
  client.filter(isWanted).map(({ scenarios, forced = [], ...each }) => {
    const chosen = (names: readonly string[]) => names.filter((name) => only === undefined || name === only);
    return { ...each, scenarios: chosen(scenarios), forced: chosen(forced) };
  }),
);
const runs = merged([...serverRuns, ...clientRuns]);
for (const run of runs) console.log(textReport(run));

if (revisions === undefined && only === undefined) {
  await writeFile(new URL('../../docs/conformance.md', import.meta.url), markdownReport(runs));
}

const surprises = runs.flatMap(unexpected);
for (const surprise of surprises) console.error(surprise);
if (runs.length === 0) console.error('expected.json has no such scenarios');
process.exitCode = surprises.length > 0 || runs.length === 0 ? 1 : 0;
