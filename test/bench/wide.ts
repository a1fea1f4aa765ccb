/**
 * `npm run bench [-- quick] [SECTION…] [options]`: the gateway beside others, in front of the same server. Sections: calls
 * sse lists starts memory eras peers; without names all of them. Options: `--rounds N`, `--seconds S`, `--warmup S`,
 * `--connections N,N,…`, `--check` (compares with test/bench/recorded.json; exit code 1 where a ratio fell), `--record`
 * (writes that file), `--profile` (a CPU profile of the gateway instead). A whole run writes docs/performance.md.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compare, describe, type Recorded, record } from './check.ts';
import { type Context, leaveOut, Stores } from './context.ts';
import { findBareNginx } from './nginx.ts';
import type { Plan, Section } from './options.ts';
import { PEERS } from './peers/install.ts';
import { profile } from './profile.ts';
import { type Conditions, curve, notes, page, tables } from './report.ts';
import type { Footprint, Measure, Results } from './results.ts';
import { ratiosOf } from './results.ts';
import { Scope } from './scope.ts';
import { calls } from './sections/calls.ts';
import { eras } from './sections/eras.ts';
import { lists } from './sections/lists.ts';
import { memory } from './sections/memory.ts';
import { peers } from './sections/peers.ts';
import { sse } from './sections/sse.ts';
import { starts } from './sections/starts.ts';
import { findPinning, findTools, pinItself } from './tools.ts';

const RECORD = new URL('./recorded.json', import.meta.url);
const PAGE = new URL('../../docs/performance.md', import.meta.url);
const PLOT = new URL('../../docs/performance.svg', import.meta.url);

const MEASURES: Readonly<Record<Exclude<Section, 'memory'>, (context: Context) => Promise<Measure[]>>> = {
  ...{ calls, sse, lists, starts, eras, peers },
};

/** What only the load generator in C can do. */
const NEEDS_C: readonly Section[] = ['lists', 'starts', 'memory'];

/** Runs what is planned. Returns the exit code. */
export async function runWide(plan: Plan, log: (line: string) => void = console.log): Promise<number> {
  await using scope = new Scope();
  const folder = await mkdtemp(join(tmpdir(), 'dragon-bench-'));
  scope.onEnd(() => rm(folder, { recursive: true, force: true }));
  const [tools, pinning, nginx] = [await findTools(folder), await findPinning(), await findBareNginx()];
  await pinItself(pinning);
  const stores = new Stores();
  scope.onEnd(() => stores.stop());
  const context: Context = {
    ...{
      plan,
      tools,
      pinning,
      folder,
      log,
      stores,
      nginx: nginx?.path,
      missing: new Set(),
      retriesLeft: plan.retries,
    },
  };
  log(`${tools.description}; ${pinning.description}`);
  log(nginx === undefined ? 'nginx is not installed: left out' : nginx.description);
  if (plan.isProfiled) {
    await profile(context);
    return 0;
  }
  const results = await measureSections(context);
  const conditions: Conditions = {
    ...{ tools: tools.description, pinning: pinning.description, rounds: plan.rounds, seconds: plan.seconds },
    ...{ warmupSeconds: plan.warmupSeconds, sessions: plan.idleSessions, manySessions: plan.manySessions },
    versions: [
      ...(nginx === undefined ? [] : [nginx.description]),
      ...Object.entries(PEERS).map(([name, version]) => `${name} ${version}`),
    ],
  };
  log(`\n${tables(results)}\n\n${notes(results, conditions)}`);
  if (plan.isWhole) {
    await writeFile(PAGE, page(results, conditions));
    const drawn = curve(results);
    if (drawn !== undefined) await writeFile(PLOT, drawn);
  }
  return await checkAndRecord(plan, results, log);
}

async function measureSections(context: Context): Promise<Results> {
  const measures: Measure[] = [];
  const footprints: Footprint[] = [];
  for (const section of context.plan.sections) {
    if (NEEDS_C.includes(section) && !context.tools.isInC) {
      leaveOut(context, section, 'the load generator in C is not here');
      continue;
    }
    // One that fails must not take a quarter of an hour of others with it.
    try {
      if (section === 'memory') footprints.push(...(await memory(context)));
      else measures.push(...(await MEASURES[section](context)));
    } catch (error) {
      leaveOut(context, section, error);
    }
  }
  return { measures, footprints, missing: [...context.missing] };
}

async function checkAndRecord(plan: Plan, results: Results, log: (line: string) => void): Promise<number> {
  if (!plan.isChecked && !plan.isRecorded) return 0;
  const before = await recorded();
  const ratios = ratiosOf(results);
  const comparison = compare(ratios, before, plan.sections);
  if (plan.isChecked) log(`\n${describe(comparison)}`);
  if (plan.isRecorded) await writeFile(RECORD, `${JSON.stringify(record(ratios, before), null, 2)}\n`);
  return plan.isChecked && comparison.fallen.length > 0 ? 1 : 0;
}

async function recorded(): Promise<Recorded> {
  try {
    return JSON.parse(await readFile(RECORD, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { ratios: {} };
    throw error;
  }
}
