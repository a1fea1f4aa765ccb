import type { SuiteResults } from './suite.ts';

interface AnyRun {
  /** Of the suite. */
  readonly version: string;
  readonly revision: string;
  /** What has to pass, in the order of the tables. */
  readonly scenarios: readonly string[];
  /** Those of them that the suite would not run for this revision. */
  readonly forced?: readonly string[];
}

/** The server scenarios of one suite in one revision, run directly against the fixture and through the gateway. */
export interface Run extends AnyRun {
  readonly direct: SuiteResults;
  readonly through: SuiteResults;
}

/** The client scenarios of one suite in one revision, run with the gateway as the client. */
export interface ClientRun extends AnyRun {
  readonly results: SuiteResults;
}

/** The table of a run for a terminal, its totals, and what failed. */
export function textReport(run: Run | ClientRun): string {
  const { head, rows, failures } = tableOf(run);
  const lines = [head, ...rows];
  const width = Math.max(...lines.map(([name]) => name.length));
  return [
    title(run),
    ...lines.map(([name, ...words]) =>
      [name.padEnd(width), ...words.map((word) => word.padEnd(9))].join('  '),
    ),
    totals(run),
    ...(failures.length > 0 ? ['Failures:', ...failures] : []),
    '',
  ].join('\n');
}

/** All runs for docs/conformance.md. */
export function markdownReport(runs: readonly Run[], clientRuns: readonly ClientRun[]): string {
  const versions = [...new Set(runs.map(({ version }) => version))].join(' and ');
  const section = (run: Run | ClientRun) => {
    const { head, rows } = tableOf(run);
    const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
    return [`## ${title(run)}`, '', totals(run), '', ...lines, ''];
  };
  return `${[
    '# Conformance',
    '',
    `\`npm run conformance\` runs the official suite, \`@modelcontextprotocol/conformance\` ${versions},`,
    'and writes this page. `test/conformance/expected.json` lists what has to pass; the command fails when one of those',
    'does not, and when a scenario passes directly and not through the gateway. `npm test` runs the same, except what is',
    'marked with *.',
    '',
    'Server scenarios run against the fixture in `test/fixture`: once directly, and once through a gateway that has',
    'nothing else registered. The fixture is registered with an empty prefix and the built-in tools are off, since the',
    'suite looks for tools by their plain names.',
    '',
    'Client scenarios start a server of the suite for each, which is registered at a gateway. A client then calls what',
    'the scenario wants, so that the suite judges what the gateway does towards servers.',
    '',
    '*pass*: no check of the scenario failed. *warns*: none failed, and something that the specification recommends was',
    'not done. Names with a * are scenarios that the suite runs for a later revision only, made to speak this one. Those',
    'in brackets are run by the suite without being scored.',
    '',
    ...[...runs, ...clientRuns].flatMap(section),
  ]
    .join('\n')
    .trimEnd()}\n`;
}

/** Expected scenarios that do not pass, and any that passes directly and not through the gateway. */
export function unexpected(run: Run | ClientRun): readonly string[] {
  const missing = (results: SuiteResults, names: readonly string[], how: string) =>
    names
      .filter((name) => results.get(name)?.passed !== true)
      .map((name) => `${title(run)}: ${name} does not pass ${how}`);
  if ('results' in run) return missing(run.results, run.scenarios, 'with the gateway as client');
  const passing = unscored(run).filter((name) => run.direct.get(name)?.passed === true);
  return [
    ...missing(run.direct, run.scenarios, 'directly'),
    ...missing(run.through, [...run.scenarios, ...passing], 'through the gateway'),
  ];
}

function title(run: Run | ClientRun): string {
  const side = 'results' in run ? 'Client' : 'Server';
  return `${side} scenarios of ${run.version}, MCP ${run.revision}`;
}

function totals(run: Run | ClientRun): string {
  const count = (results: SuiteResults) =>
    `${run.scenarios.filter((name) => results.get(name)?.passed === true).length} of ${run.scenarios.length}`;
  if ('results' in run) return `${count(run.results)} with the gateway as the client.`;
  return `${count(run.direct)} directly, ${count(run.through)} through the gateway.`;
}

type Row = readonly [string, ...string[]];

function tableOf(run: Run | ClientRun) {
  const columns: Readonly<Record<string, SuiteResults>> =
    'results' in run ? { 'the gateway': run.results } : { direct: run.direct, through: run.through };
  const results = Object.values(columns);
  const row = (label: string, name: string): Row => [label, ...results.map((each) => word(each, name))];
  const head: Row = ['scenario', ...Object.keys(columns)];
  const rows = [
    ...run.scenarios.map((name) => row(run.forced?.includes(name) === true ? `${name} *` : name, name)),
    ...unscored(run).map((name) => row(`(${name})`, name)),
  ];
  const failures = Object.entries(columns).flatMap(([column, each]) =>
    [...each].flatMap(([name, { failures }]) =>
      failures.map((failure) => `  ${name}, ${column}: ${failure}`),
    ),
  );
  return { head, rows, failures };
}

function unscored(run: Run | ClientRun): readonly string[] {
  const results = 'results' in run ? [run.results] : [run.direct, run.through];
  const names = new Set(results.flatMap((each) => [...each.keys()]));
  return [...names].filter((name) => !run.scenarios.includes(name)).sort();
}

function word(results: SuiteResults, scenario: string): string {
  const result = results.get(scenario);
  if (result === undefined) return 'no result';
  if (!result.passed) return 'fail';
  return result.warnings > 0 ? 'warns' : 'pass';
}
