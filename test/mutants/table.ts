import type { Found } from './campaign.ts';

const MAX_WIDTH = 70;

/** For people: what was promised, what was taken out, and which test has failed for it. */
export function table(found: readonly Found[]): string {
  const rows = [
    ['Promise', 'Taken out', 'Test that failed', 'Seconds'],
    ...found.map(({ mutant, isSeen, what, seconds }) => [
      mutant.promise,
      mutant.name,
      isSeen ? `${mutant.test}: ${what}` : `NONE: ${what}`,
      seconds.toFixed(1),
    ]),
  ].map((row) => row.map(short));
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function short(text: string): string {
  return text.length > MAX_WIDTH ? `${text.slice(0, MAX_WIDTH - 1)}…` : text;
}
