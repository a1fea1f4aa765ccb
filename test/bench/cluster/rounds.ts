/** Above this share of a core, something else on the machine disturbed a measurement. */
export const NOISE = 0.1;

interface Round {
  /** Share of a core that anything else on the machine took, where that can be told. */
  readonly otherCpu: number | undefined;
}

/** Makes `count` rounds, and up to `extra` more where some were disturbed. Those that were disturbed least count. */
export async function quietRounds<T extends Round>(
  count: number,
  extra: number,
  round: (number: number) => Promise<T>,
): Promise<T[]> {
  const done: T[] = [];
  const isQuiet = ({ otherCpu = 0 }: T) => otherCpu <= NOISE;
  while (done.length < count || (done.filter(isQuiet).length < count && done.length < count + extra)) {
    done.push(await round(done.length + 1));
  }
  return done.sort((a, b) => (a.otherCpu ?? 0) - (b.otherCpu ?? 0)).slice(0, count);
}
