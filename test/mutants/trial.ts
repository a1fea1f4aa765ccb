import { type ChildProcess, spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { type Ended, readEnded } from './ended.ts';
import { ROOT, type Tree } from './tree.ts';

export interface Trial {
  readonly test: string;
  /** Of names; none: all of the file. */
  readonly only: readonly string[];
  readonly limitMs: number;
  /** Whether what has ended is enough to know. */
  readonly until?: (ended: Ended) => boolean;
}

export interface Outcome {
  readonly ended: readonly Ended[];
  /** It was given up. */
  readonly isLate: boolean;
  readonly seconds: number;
  /** The last of what was written beside the report. */
  readonly output: string;
}

const REPORTER = new URL('reporter.ts', import.meta.url).href;

const MAX_OUTPUT = 4000;

const running = new Set<ChildProcess>();
let isOver = false;

/** Whoever has ended all is about to end the process. */
const NEVER = new Promise<never>(() => {});

/** Ends what is running: tests, and the gateways that they have started. Nothing is begun any more. */
export function endTrials(): void {
  isOver = true;
  for (const child of running) endGroup(child);
}

/** Runs tests of a tree, as `npm test` does, but for one thing: gateways are started from the source, which is what is broken. */
export async function runTrial(tree: Tree, { test, only, limitMs, until }: Trial): Promise<Outcome> {
  if (isOver) await NEVER;
  const startedAt = performance.now();
  const arguments_ = [
    '--test',
    `--test-reporter=${REPORTER}`,
    '--test-reporter-destination=stdout',
    ...only.map((pattern) => `--test-name-pattern=${pattern}`),
    test,
  ];
  const child = spawn(process.execPath, arguments_, {
    cwd: tree.root,
    env: environment(tree),
    stdio: ['ignore', 'pipe', 'pipe'],
    // In a group of its own, with all that it starts.
    detached: true,
  });
  running.add(child);
  const closed = new Promise<void>((resolve, reject) => {
    child.once('close', () => resolve()).once('error', reject);
  });
  const ended: Ended[] = [];
  let output = '';
  const note = (text: string) => {
    output = (output + text).slice(-MAX_OUTPUT);
  };
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    endGroup(child);
  }, limitMs);
  const take = (line: string) => {
    const one = readEnded(line);
    if (one === undefined) return note(`${line}\n`);
    ended.push(one);
    if (until?.(one) === true) endGroup(child);
  };
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    // Not by readline, for which a line ends with more than its end.
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(line);
  });
  child.stderr.setEncoding('utf8').on('data', note);
  try {
    await closed;
  } finally {
    clearTimeout(timer);
    running.delete(child);
  }
  if (isOver) await NEVER;
  return { ended, isLate, seconds: (performance.now() - startedAt) / 1000, output };
}

function environment(tree: Tree): NodeJS.ProcessEnv {
  const { GATEWAY_BUNDLE: _, NODE_TEST_CONTEXT: __, ...own } = process.env;
  return {
    ...own,
    PATH: [join(ROOT, 'node_modules', '.bin'), own['PATH'] ?? ''].join(delimiter),
    TMPDIR: tree.temporary,
    NODE_COMPILE_CACHE: tree.compiled,
  };
}

function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
