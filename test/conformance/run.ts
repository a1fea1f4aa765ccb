/**
 * `npm run conformance [-- --requirements REVISION[,REVISION]] [--only SCENARIO]`: the official suite, directly and
 * through the gateway. Without options it runs every revision of expected.json and writes docs/conformance.md.
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { compare } from './compare.ts';
import { expectedScenarios } from './expected.ts';
import { markdownReport, textReport, unexpected } from './report.ts';
import { suiteVersion } from './suite.ts';

const { values } = parseArgs({
  options: { requirements: { type: 'string' }, only: { type: 'string' } },
});

const expected = await expectedScenarios();
const revisions = values.requirements?.split(',') ?? Object.keys(expected);

const runs = await compare(revisions, values.only);
for (const run of runs) console.log(textReport(run));

if (values.requirements === undefined && values.only === undefined) {
  const page = markdownReport(runs, await suiteVersion());
  await writeFile(new URL('../../docs/conformance.md', import.meta.url), page);
}

const surprises = runs.flatMap((run) => {
  const names = expected[run.revision] ?? [];
  return unexpected(run, values.only === undefined ? names : names.filter((name) => name === values.only));
});
for (const surprise of surprises) console.error(surprise);
process.exitCode = surprises.length > 0 ? 1 : 0;
