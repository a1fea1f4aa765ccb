import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The versions of the official suite that are installed. */
export type SuiteName = '0.2' | '0.1';

const PACKAGES: Readonly<Record<SuiteName, URL>> = {
  '0.2': new URL('../../node_modules/@modelcontextprotocol/conformance/', import.meta.url),
  '0.1': new URL('../../node_modules/conformance-0.1/', import.meta.url),
};

interface ScenarioResult {
  readonly passed: boolean;
  /** What failed, one line a check. */
  readonly failures: readonly string[];
  /** Names of the checks that failed. */
  readonly failedChecks: readonly string[];
  /** Checks that ended in a warning: something the specification recommends was not done. */
  readonly warnings: number;
}

export type SuiteResults = ReadonlyMap<string, ScenarioResult>;

/** The whole version, as installed. */
export async function suiteVersion(suite: SuiteName): Promise<string> {
  return JSON.parse(await readFile(new URL('package.json', PACKAGES[suite]), 'utf8')).version;
}

/** Scenarios that the revision requires of a server, in the suite's order. The older suite requires nothing. */
export async function requiredScenarios(revision: string): Promise<readonly string[]> {
  const text = await readFile(new URL(`requirements/${revision}.yaml`, PACKAGES['0.2']), 'utf8');
  const list = /^server:\n((?: {2}- .+\n)+)/m.exec(text)?.[1];
  if (list === undefined) throw new Error(`The suite requires nothing of servers for ${revision}`);
  return list.split('\n').flatMap((line) => line.trim().replace(/^- /, '') || []);
}

/** All that a revision requires, and what the suite runs without scoring it. */
export const required = (revision: string): readonly string[] => ['--requirements', revision];

/** All that the suite has for a revision. */
export const all = (revision: string): readonly string[] => ['--suite', 'all', '--spec-version', revision];

/** One scenario, spoken in a revision. */
export const single = (scenario: string, revision: string): readonly string[] => [
  ...['--scenario', scenario],
  ...['--spec-version', revision],
];

/** One scenario, spoken in a revision for which the suite itself does not run it. */
export const forced = (scenario: string, revision: string): readonly string[] => [
  ...single(scenario, revision),
  '--force',
];

/** Runs a suite against a server. `selection`: which scenarios, as the suite's command takes it. */
export async function runSuite(
  suite: SuiteName,
  url: string,
  selection: readonly string[],
): Promise<SuiteResults> {
  // The exit code only repeats what the results say.
  return (await run(suite, 'server', ['--url', url, ...selection])).results;
}

/**
 * Lets a suite start its server for one scenario, and the command, which is given that server's URL as its last
 * argument. A command that fails is a scenario that fails, whatever the suite saw of it.
 */
export async function runClient(
  suite: SuiteName,
  command: readonly string[],
  selection: readonly string[],
): Promise<SuiteResults> {
  // The suite takes a line for a shell.
  const line = command.map((part) => JSON.stringify(part)).join(' ');
  const { code, results } = await run(suite, 'client', ['--command', line, ...selection]);
  if (code === 0) return results;
  const failed = [...results].map(
    ([name, result]) => [name, withFailure(result, `exit code ${code}`)] as const,
  );
  return new Map(failed);
}

function withFailure(result: ScenarioResult, failure: string): ScenarioResult {
  return { ...result, passed: false, failures: [...result.failures, failure] };
}

async function run(
  suite: SuiteName,
  side: 'server' | 'client',
  args: readonly string[],
): Promise<{ readonly code: number | null; readonly results: SuiteResults }> {
  const folder = await mkdtemp(join(tmpdir(), 'dragon-conformance-'));
  const cli = fileURLToPath(new URL('dist/index.js', PACKAGES[suite]));
  try {
    const child = spawn(process.execPath, [cli, side, ...args, '-o', folder], { stdio: 'ignore' });
    await once(child, 'close');
    return { code: child.exitCode, results: await readResults(folder, side === 'server' ? 'server-' : '') };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The suite makes a folder for each scenario, named after it, slashes included, and the time. */
async function readResults(folder: string, prefix: string): Promise<SuiteResults> {
  const results = new Map<string, ScenarioResult>();
  for (const name of await readdir(folder, { recursive: true })) {
    const scenario = /^(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/.exec(name.slice(prefix.length))?.[1];
    if (scenario !== undefined) results.set(scenario, await readScenario(join(folder, name)));
  }
  return results;
}

async function readScenario(folder: string): Promise<ScenarioResult> {
  // The suite makes the folder first: one without a file is of a scenario that timed out or threw.
  const text = await readFile(join(folder, 'checks.json'), 'utf8').catch(() => undefined);
  if (text === undefined)
    return {
      passed: false,
      failures: ['The scenario did not come to its end'],
      failedChecks: ['none came to its end'],
      warnings: 0,
    };
  const checks: Check[] = JSON.parse(text);
  const failures = checks.filter(({ status }) => status === 'FAILURE');
  return {
    passed: failures.length === 0,
    failures: failures.map(({ id, errorMessage }) => `${id}: ${errorMessage?.split('\n')[0] ?? 'failed'}`),
    failedChecks: failures.map(({ id }) => id),
    warnings: checks.filter(({ status }) => status === 'WARNING').length,
  };
}

interface Check {
  readonly id: string;
  readonly status: string;
  readonly errorMessage?: string;
}
