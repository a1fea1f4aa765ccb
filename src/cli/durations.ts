import { usageError } from './exit.ts';

const UNITS = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const;

const SHAPE = /^(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?$/;

/** Most that any duration may be: beyond, no sum of milliseconds is exact. */
const LONGEST_MS = 365 * 24 * UNITS.h;

/** Milliseconds of `90s`, `5m`, `1h30m` or `250ms`. `option` is named where the text is none of these. */
export function parseDuration(text: string, option: string): number {
  const [, h, m, s, ms] = SHAPE.exec(text) ?? [];
  const total = Object.entries({ h, m, s, ms }).reduce(
    (sum, [unit, count = '0']) => sum + Number(count) * UNITS[unit as keyof typeof UNITS],
    0,
  );
  if (total > 0 && total <= LONGEST_MS) return total;
  throw usageError(`${option}: expected a time such as 90s, 5m, 1h30m or 250ms`);
}

/** As {@link parseDuration} reads it. */
export function formatDuration(ms: number): string {
  let rest = Math.round(ms);
  const parts = Object.entries(UNITS).map(([unit, size]) => {
    const count = Math.floor(rest / size);
    rest -= count * size;
    return count === 0 ? '' : `${count}${unit}`;
  });
  return parts.join('') || '0s';
}
