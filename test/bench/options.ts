import { parseArgs } from 'node:util';

/** Parts of the bench, in the order in which they run. */
export const SECTIONS = ['calls', 'sse', 'lists', 'starts', 'memory', 'eras', 'peers'] as const;
export type Section = (typeof SECTIONS)[number];

/** What to measure, and for how long. */
export interface Plan {
  readonly sections: readonly Section[];
  readonly isQuick: boolean;
  readonly rounds: number;
  /** Of each sample, and of what comes before it and is not counted. */
  readonly seconds: number;
  readonly warmupSeconds: number;
  /** Of the curve, for the smallest answers. */
  readonly connections: readonly number[];
  /** Samples that may be taken again, of all of them, where something else disturbed the machine. */
  readonly retries: number;
  /** Sessions opened to see what one takes, and opened before calls to see whether those still cost the same. */
  readonly idleSessions: number;
  readonly manySessions: number;
  readonly isRecorded: boolean;
  readonly isChecked: boolean;
  readonly isProfiled: boolean;
  /** Everything, for as long as is intended: such a run writes the page. */
  readonly isWhole: boolean;
}

/** What was asked for cannot be done. The message names it. */
export class UsageError extends Error {}

/** Reads the command line, without the name of the command. Throws a {@link UsageError}. */
export function parsePlan(args: readonly string[]): Plan {
  const { values, positionals } = parse(args);
  const isQuick = positionals.includes('quick');
  const named = positionals.filter((name) => name !== 'quick');
  const unknown = named.filter((name) => !SECTIONS.includes(name as Section));
  if (unknown.length > 0) throw new UsageError(`Unknown bench: ${unknown.join(', ')}.`);
  const isSet = ['rounds', 'seconds', 'warmup', 'connections'].some((name) => name in values);
  const plan: Plan = {
    sections: named.length === 0 ? SECTIONS : SECTIONS.filter((section) => named.includes(section)),
    isQuick,
    rounds: number('--rounds', values.rounds, isQuick ? 1 : 5, 1),
    seconds: number('--seconds', values.seconds, isQuick ? 0.7 : 1.3, 0.1),
    warmupSeconds: number('--warmup', values.warmup, isQuick ? 0.2 : 0.4, 0),
    connections: (values.connections ?? (isQuick ? '1,64' : '1,16,64,256'))
      .split(',')
      .map((text) => number('--connections', text, 1, 1)),
    retries: isQuick ? 0 : 30,
    idleSessions: isQuick ? 2000 : 10_000,
    manySessions: isQuick ? 20_000 : 100_000,
    isRecorded: values.record,
    isChecked: values.check,
    isProfiled: values.profile,
    isWhole: !isQuick && named.length === 0 && !isSet,
  };
  if (!Number.isInteger(plan.rounds)) throw new UsageError('--rounds: expected a whole number.');
  if (!plan.connections.every((count) => Number.isInteger(count) && count <= 4096)) {
    throw new UsageError('--connections: expected whole numbers from 1 to 4096, with commas between them.');
  }
  if (plan.isRecorded && isQuick) throw new UsageError('--record: expected a run without quick.');
  return plan;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        warmup: { type: 'string' },
        connections: { type: 'string' },
        record: { type: 'boolean', default: false },
        check: { type: 'boolean', default: false },
        profile: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function number(name: string, text: string | undefined, fallback: number, least: number): number {
  if (text === undefined) return fallback;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!Number.isFinite(value) || value < least) {
    throw new UsageError(`${name}: expected a number from ${least}, got "${text}".`);
  }
  return value;
}
