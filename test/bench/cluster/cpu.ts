import { readFileSync } from 'node:fs';
import type { Redis } from 'ioredis';

/** Milliseconds of a tick in /proc, which has the same ones on every Linux. */
const TICK_MS = 10;

/**
 * CPU milliseconds that running processes have used since they began, all together. Undefined where there is no /proc;
 * throws where one of them has ended.
 */
export function processesCpu(pids: readonly number[]): number | undefined {
  if (process.platform !== 'linux') return undefined;
  let ticks = 0;
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command's name comes before it, in brackets, and may hold anything. What follows begins with the third field;
    // the 14th and the 15th are user and system time (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks * TICK_MS;
}

/** CPU milliseconds that everything on this machine has used since it began. Undefined where there is no /proc. */
export function machineCpu(): number | undefined {
  if (process.platform !== 'linux') return undefined;
  const [, user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'latin1').split(/ +/, 9);
  return [user, nice, system, irq, softirq, steal].reduce((sum, ticks) => sum + Number(ticks), 0) * TICK_MS;
}

/** CPU milliseconds that a Redis has used since it began, to the microsecond, wherever it runs. */
export async function redisCpu(redis: Redis): Promise<number> {
  const info = await redis.info('cpu');
  const seconds = ['used_cpu_user', 'used_cpu_sys'].map((name) =>
    Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1]),
  );
  return (seconds[0]! + seconds[1]!) * 1000;
}
