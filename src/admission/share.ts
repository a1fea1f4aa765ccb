/**
 * The level up to which everybody may have what they ask for, so that together it makes `capacity`: who asks for less gets
 * it whole, and what they leave is shared equally by the others (max-min fairness). Infinity where all of it fits.
 * Sorts `demands`.
 */
export function fairLevel(demands: number[], capacity: number): number {
  demands.sort((a, b) => a - b);
  let rest = capacity;
  let sharers = demands.length;
  for (const demand of demands) {
    const level = rest / sharers;
    if (demand > level) return level;
    rest -= demand;
    sharers--;
  }
  return Number.POSITIVE_INFINITY;
}
