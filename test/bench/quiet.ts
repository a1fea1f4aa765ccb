import { setTimeout as delay } from 'node:timers/promises';
import { machineCpu } from './cluster/cpu.ts';

const LOOK_MS = 200;

/** A machine that does no more than this share of a core is quiet. */
const QUIET = 0.1;

/**
 * Waits until nothing else runs: what a target had put off under load, such as events to be stored, is not to cost the next. After
 * so many milliseconds it goes on all the same. Where the system does not tell, there is no waiting.
 */
export async function quiet(longestMs = 60_000): Promise<void> {
  for (const until = performance.now() + longestMs; performance.now() < until; ) {
    const [before, from] = [machineCpu(), performance.now()];
    if (before === undefined) return;
    await delay(LOOK_MS);
    const share = ((machineCpu() ?? 0) - before) / (performance.now() - from);
    if (share <= QUIET) return;
  }
}
