import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGE = new URL('../../node_modules/@modelcontextprotocol/conformance/', import.meta.url);
const CLI = fileURLToPath(new URL('dist/index.js', PACKAGE));

interface ScenarioResult {
  readonly passed: boolean;
  /** What failed, one line a check. */
  readonly failures: readonly string[];
  /** Checks that ended in a warning: something the specification recommends was not done. */
  readonly warnings: number;
}

export type SuiteResults = ReadonlyMap<string, ScenarioResult>;

/** Version of the official suite, as installed. */
export async function suiteVersion(): Promise<string> {
  return JSON.parse(await readFile(new URL('package.json', PACKAGE), 'utf8')).version;
}

/** Scenarios that the revision requires of a server, in the suite's order. */
export async function requiredScenarios(revision: string): Promise<readonly string[]> {
  const text = await readFile(new URL(`requirements/${revision}.yaml`, PACKAGE), 'utf8');
  const list = /^server:\n((?: {2}- .+\n)+)/m.exec(text)?.[1];
  if (list === undefined) throw new Error(`The suite requires nothing of servers for ${revision}`);
  return list.split('\n').flatMap((line) => line.trim().replace(/^- /, '') || []);
}

/**
 * Runs the official suite against a server: all that the revision requires, and what the suite runs without scoring;
 * or one scenario alone.
 */
export async function runSuite(url: string, revision: string, only?: string): Promise<SuiteResults> {
  const folder = await mkdtemp(join(tmpdir(), 'dragon-conformance-'));
  try {
    const what =
      only === undefined ? ['--requirements', revision] : ['--scenario', only, '--spec-version', revision];
    // The exit code only repeats what the results say.
    const suite = spawn(process.execPath, [CLI, 'server', '--url', url, ...what, '-o', folder], {
      stdio: 'ignore',
    });
    await once(suite, 'close');
    return await readResults(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function readResults(folder: string): Promise<SuiteResults> {
  const results = new Map<string, ScenarioResult>();
  for (const name of await readdir(folder)) {
    const scenario = /^server-(.+)-\d{4}-\d\d-\d\dT[\d-]+Z$/.exec(name)?.[1];
    if (scenario === undefined) continue;
    results.set(scenario, await readScenario(join(folder, name)));
  }
  return results;
}

async function readScenario(folder: string): Promise<ScenarioResult> {
  // The suite makes the folder first: one without a file is of a scenario that timed out or threw.
  const text = await readFile(join(folder, 'checks.json'), 'utf8').catch(() => undefined);
  if (text === undefined)
    return { passed: false, failures: ['The scenario did not come to its end'], warnings: 0 };
  const checks: Check[] = JSON.parse(text);
  const failures = checks.filter(({ status }) => status === 'FAILURE');
  return {
    passed: failures.length === 0,
    failures: failures.map(({ id, errorMessage }) => `${id}: ${errorMessage?.split('\n')[0] ?? 'failed'}`),
    warnings: checks.filter(({ status }) => status === 'WARNING').length,
  };
}

interface Check {
  readonly id: string;
  readonly status: string;
  readonly errorMessage?: string;
}
