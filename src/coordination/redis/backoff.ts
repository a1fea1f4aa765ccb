/** Milliseconds before the next attempt: 50 and doubling, at most 2 s, each made shorter by up to half at random. */
export function backoffMs(attempt: number): number {
  return Math.round((0.5 + Math.random() / 2) * Math.min(50 * 2 ** Math.min(attempt, 10), 2000));
}
