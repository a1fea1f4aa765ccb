import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const LOOK_MS = 200;

/** A machine that does no more than this share of a core is quiet. */
const QUIET = 0.1;

const TICKS_PER_SECOND = 100;

/**
 * Waits until nothing else runs: what a target had put off under load, such as events to be stored, is not to cost the next. After
 * so many milliseconds it goes on all the same. Where the system does not tell, there is no waiting.
 */
export async function quiet(longestMs = 60_000): Promise<void> {
  for (const until = performance.now() + longestMs; performance.now() < until; ) {
    const [before, from] = [busyTicks(), performance.now()];
    if (before === undefined) return;
    await delay(LOOK_MS);
    const seconds = (performance.now() - from) / 1000;
    if (((busyTicks() ?? 0) - before) / TICKS_PER_SECOND / seconds <= QUIET) return;
  }
}

/** Of all cores since the start of the machine, all but idling and waiting for disks. */
function busyTicks(): number | undefined {
  let line: string;
  try {
    line = readFileSync('/proc/stat', 'latin1').split('\n', 1)[0] ?? '';
  } catch {
    return undefined;
  }
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = line
    .trim()
    .split(/ +/)
    .slice(1)
    .map(Number);
  return user + nice + system + irq + softirq;
}
