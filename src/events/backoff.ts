/** Milliseconds before the next attempt: 100 and doubling, at most 5 s, each made shorter by up to half at random. */
export function backoffMs(attempt: number): number {
  return Math.round((0.5 + Math.random() / 2) * Math.min(100 * 2 ** Math.min(attempt, 10), 5000));
}
