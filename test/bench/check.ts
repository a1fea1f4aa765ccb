import type { Section } from './options.ts';
import type { Ratio } from './results.ts';

/** Ratios of a run that others are compared with. Rates are not kept: they are the machine's. */
export interface Recorded {
  readonly ratios: Readonly<Record<string, number>>;
}

/** So much less than recorded is no noise. */
const TOLERANCE = 0.1;

export interface Comparison {
  /** One line each. */
  readonly fallen: readonly string[];
  /** Measured, but not recorded. */
  readonly unknown: readonly string[];
  /** Recorded, and not measured by a run of these sections. */
  readonly missing: readonly string[];
  readonly compared: number;
}

/** Of all ratios more is better. */
export function compare(
  ratios: readonly Ratio[],
  recorded: Recorded,
  sections: readonly Section[],
): Comparison {
  const known = ratios.filter(({ id }) => Object.hasOwn(recorded.ratios, id));
  const fallen = known
    .map(({ id, value }) => ({ id, value, before: recorded.ratios[id] ?? 0 }))
    .filter(({ value, before }) => value < before * (1 - TOLERANCE))
    .map(({ id, value, before }) => {
      const percent = ((1 - value / before) * 100).toFixed(1);
      return `${id}: ${value.toFixed(2)}, recorded ${before.toFixed(2)} (${percent} % less)`;
    });
  const measured = new Set(ratios.map(({ id }) => id));
  return {
    fallen,
    unknown: ratios.filter((ratio) => !known.includes(ratio)).map(({ id }) => id),
    missing: Object.keys(recorded.ratios).filter(
      (id) => sections.some((section) => id.startsWith(`${section} `)) && !measured.has(id),
    ),
    compared: known.length,
  };
}

/** What is recorded after a run: its ratios, and those of before that it did not measure. */
export function record(ratios: readonly Ratio[], before: Recorded): Recorded {
  const all = {
    ...before.ratios,
    ...Object.fromEntries(ratios.map(({ id, value }) => [id, rounded(value)])),
  };
  return { ratios: Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1))) };
}

/** In words, for the one who runs it. */
export function describe({ fallen, unknown, missing, compared }: Comparison): string {
  const listed = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`)];
  return [
    `${compared} ratios compared with test/bench/recorded.json.`,
    ...listed('Fell by more than 10 %:', fallen),
    ...listed('Not recorded yet:', unknown),
    ...listed('Recorded, but not measured now:', missing),
    ...(fallen.length === 0 ? ['None fell by more than 10 %.'] : []),
  ].join('\n');
}

const rounded = (value: number) => Number(value.toPrecision(4));
