import type { SuiteResults } from './suite.ts';

/** One revision, run directly against the fixture and through the gateway. */
export interface Run {
  readonly revision: string;
  /** In the order of the tables. */
  readonly required: readonly string[];
  readonly direct: SuiteResults;
  readonly through: SuiteResults;
}

/** The table of a run for a terminal, its totals, and what failed. */
export function textReport(run: Run): string {
  const scenarios = [...run.required, ...unscored(run)];
  const width = Math.max(...scenarios.map((name) => name.length));
  const lines = scenarios.map((name) => {
    const note = run.required.includes(name) ? '' : '  (not scored)';
    return `${name.padEnd(width)}  ${word(run.direct, name).padEnd(6)}  ${word(run.through, name)}${note}`;
  });
  const failures = scenarios.flatMap((name) =>
    (run.through.get(name)?.failures ?? []).map((failure) => `  ${name}: ${failure}`),
  );
  return [
    `MCP ${run.revision}`,
    `${'scenario'.padEnd(width)}  direct  through`,
    ...lines,
    totals(run),
    ...(failures.length > 0 ? ['Failures through the gateway:', ...failures] : []),
    '',
  ].join('\n');
}

/** The same for docs/conformance.md. */
export function markdownReport(runs: readonly Run[], version: string): string {
  const sections = runs.map((run) =>
    [
      `## MCP ${run.revision}`,
      '',
      totals(run),
      '',
      ...table(run, run.required),
      ...(unscored(run).length > 0
        ? ['', 'Run by the suite and not scored for this revision:', '', ...table(run, unscored(run))]
        : []),
    ].join('\n'),
  );
  return `${[
    '# Conformance',
    '',
    `\`npm run conformance\` runs the official suite, \`@modelcontextprotocol/conformance\` ${version}, against the`,
    'fixture in `test/fixture`: once directly, and once through a gateway that has nothing else registered. It writes',
    'this page. The fixture is registered with an empty prefix and the built-in tools are off, since the suite looks for',
    'tools by their plain names. `test/conformance/expected.json` lists what has to pass through the gateway; the',
    'command fails when one of those does not.',
    '',
    '*pass*: no check of the scenario failed. *warns*: none failed, and something that the specification recommends was',
    'not done.',
    '',
    ...sections.flatMap((section) => [section, '']),
  ]
    .join('\n')
    .trimEnd()}\n`;
}

/** Expected scenarios that do not pass through the gateway, and required ones that the fixture itself fails. */
export function unexpected(run: Run, expected: readonly string[]): readonly string[] {
  const through = expected.filter((name) => run.through.get(name)?.passed !== true);
  const direct = run.required.filter((name) => run.direct.get(name)?.passed !== true);
  return [
    ...through.map((name) => `${run.revision} ${name} does not pass through the gateway`),
    ...direct.map((name) => `${run.revision} ${name} does not pass directly against the fixture`),
  ];
}

function totals({ revision, required, direct, through }: Run): string {
  const count = (results: SuiteResults) =>
    required.filter((name) => results.get(name)?.passed === true).length;
  const of = required.length;
  return `${revision}: ${count(direct)} of ${of} directly, ${count(through)} of ${of} through the gateway.`;
}

function table(run: Run, scenarios: readonly string[]): readonly string[] {
  return [
    '| scenario | direct | through |',
    '|---|---|---|',
    ...scenarios.map((name) => `| ${name} | ${word(run.direct, name)} | ${word(run.through, name)} |`),
  ];
}

function unscored({ required, direct, through }: Run): readonly string[] {
  const names = new Set([...direct.keys(), ...through.keys()]);
  return [...names].filter((name) => !required.includes(name)).sort();
}

function word(results: SuiteResults, scenario: string): string {
  const result = results.get(scenario);
  if (result === undefined) return 'no result';
  if (!result.passed) return 'fail';
  return result.warnings > 0 ? 'warns' : 'pass';
}
