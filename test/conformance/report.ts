import type { Impossible } from './expected.ts';
import type { SuiteResults } from './suite.ts';

/** The scenarios of one suite in one revision, run in one way or several. */
export interface Run {
  /** Who is judged. */
  readonly side: 'Server' | 'Client';
  /** Of the suite. */
  readonly version: string;
  readonly revision: string;
  /** The era of the server behind the gateway, where that is another than the revision's. */
  readonly over?: string;
  /** What has to pass, in the order of the tables. */
  readonly scenarios: readonly string[];
  /** Those of them that can't, and how they fail. */
  readonly impossible?: readonly Impossible[];
  /** Those of them that the suite would not run for this revision. */
  readonly forced?: readonly string[];
  /** Results by how they came about, such as `directly`. */
  readonly columns: Readonly<Record<string, SuiteResults>>;
}

/** Runs of the same scenarios as one. */
export function merged(runs: readonly Run[]): readonly Run[] {
  const byTitle = new Map<string, Run>();
  for (const run of runs) {
    const columns = { ...byTitle.get(title(run))?.columns, ...run.columns };
    byTitle.set(title(run), { ...run, columns });
  }
  return [...byTitle.values()];
}

/** The table of a run for a terminal, its totals, and what failed. */
export function textReport(run: Run): string {
  const { head, rows, failures } = tableOf(run);
  const lines = [head, ...rows];
  const width = Math.max(...lines.map(([name]) => name.length));
  const line = ([name, ...words]: Row) =>
    [name.padEnd(width), ...words.map((word, at) => word.padEnd((head[at + 1] ?? '').length))].join('  ');
  return [
    title(run),
    ...lines.map(line),
    totals(run),
    ...(failures.length > 0 ? ['Failures:', ...failures] : []),
    '',
  ].join('\n');
}

/** All runs for docs/conformance.md. */
export function markdownReport(runs: readonly Run[]): string {
  const versions = [...new Set(runs.map(({ version }) => version))].join(' and ');
  const section = (run: Run) => {
    const { head, rows } = tableOf(run);
    const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
    const reasons = (run.impossible ?? []).map(({ scenario, reason }) => `- \`${scenario}\`: ${reason}`);
    const impossible = reasons.length === 0 ? [] : ['What no such server can pass:', '', ...reasons, ''];
    return [`## ${title(run)}`, '', totals(run), '', ...impossible, ...lines, ''];
  };
  return `${[
    '# Conformance',
    '',
    `\`npm run conformance\` runs the official suite, \`@modelcontextprotocol/conformance\` ${versions},`,
    'and writes this page. `test/conformance/expected.json` lists what has to pass, and what cannot, with the reason; the',
    'command fails when one of the first does not, when one of the others does or fails in another way, and when a',
    'scenario passes directly and not through the gateway. `npm test` runs the same, except what is marked with *.',
    '',
    'Server scenarios run against the fixture in `test/fixture`: directly, through a gateway that has nothing else',
    'registered, and through three nodes where each request goes to another one. The fixture is registered with an empty',
    'prefix and the built-in tools are off, since the suite looks for tools by their plain names.',
    '',
    'Where a server is of another era than the revision, the fixture speaks that era only, and the gateway translates.',
    'See [eras.md](eras.md).',
    '',
    'Client scenarios start a server of the suite for each, which is registered at a gateway. A client then calls what',
    'the scenario wants, so that the suite judges what the gateway does towards servers.',
    '',
    '*pass*: no check of the scenario failed. *warns*: none failed, and something that the specification recommends was',
    'not done. *cannot*: no such server can pass it. Names with a * are scenarios that the suite runs for a later revision',
    'only, or for none, made to speak this one. Those in brackets are run by the suite without being scored.',
    '',
    ...runs.flatMap(section),
  ]
    .join('\n')
    .trimEnd()}\n`;
}

/**
 * Where results differ from what is expected, in either direction: a scenario that has to pass and does not, one that can't
 * and does or fails otherwise, and any that passes directly and in no other way.
 */
export function unexpected(run: Run): readonly string[] {
  const direct = run.columns['directly'];
  const passing = unscored(run).filter((name) => direct?.get(name)?.passed === true);
  return Object.entries(run.columns).flatMap(([how, results]) =>
    [...run.scenarios, ...passing].flatMap((name) => {
      const problem = problemOf(results.get(name), impossibleOf(run, name));
      return problem === undefined ? [] : [`${title(run)}: ${name} ${problem} ${how}`];
    }),
  );
}

type Result = ReturnType<SuiteResults['get']>;

function problemOf(result: Result, impossible: Impossible | undefined): string | undefined {
  if (impossible === undefined) return result?.passed === true ? undefined : 'does not pass';
  if (result === undefined) return 'was not run';
  if (result.passed) return 'is listed as impossible and passes';
  const failed = [...new Set(result.failedChecks)].sort();
  const listed = [...impossible.checks].sort();
  return failed.join() === listed.join() ? undefined : `is listed to fail ${listed} and fails ${failed}`;
}

const impossibleOf = (run: Run, name: string) => run.impossible?.find(({ scenario }) => scenario === name);

function title({ side, version, revision, over }: Run): string {
  const server = over === undefined ? '' : `, over a ${over} server`;
  return `${side} scenarios of ${version}, MCP ${revision}${server}`;
}

function totals(run: Run): string {
  const count = (results: SuiteResults) =>
    `${run.scenarios.filter((name) => results.get(name)?.passed === true).length} of ${run.scenarios.length}`;
  const counts = Object.entries(run.columns).map(([how, results]) => `${count(results)} ${how}`);
  return `${counts.join(', ')}.`;
}

type Row = readonly [string, ...string[]];

function tableOf(run: Run) {
  const all = Object.entries(run.columns);
  const row = (label: string, name: string): Row => [
    label,
    ...all.map(([, results]) => word(results.get(name), impossibleOf(run, name))),
  ];
  const head: Row = ['scenario', ...all.map(([how]) => how)];
  const rows = [
    ...run.scenarios.map((name) => row(run.forced?.includes(name) === true ? `${name} *` : name, name)),
    ...unscored(run).map((name) => row(`(${name})`, name)),
  ];
  const failures = all.flatMap(([how, results]) =>
    [...results].flatMap(([name, { failures }]) =>
      failures.map((failure) => `  ${name}, ${how}: ${failure}`),
    ),
  );
  return { head, rows, failures };
}

function unscored(run: Run): readonly string[] {
  const names = new Set(Object.values(run.columns).flatMap((results) => [...results.keys()]));
  return [...names].filter((name) => !run.scenarios.includes(name)).sort();
}

function word(result: Result, impossible: Impossible | undefined): string {
  if (result === undefined) return 'no result';
  if (!result.passed) return problemOf(result, impossible) === undefined ? 'cannot' : 'fail';
  return result.warnings > 0 ? 'warns' : 'pass';
}
