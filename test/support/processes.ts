import { readdirSync, readFileSync } from 'node:fs';

/** Whether a process runs. One that has ended and that nobody has waited for yet does not, though its id still exists. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  return process.platform !== 'linux' || stateOf(pid) !== 'Z';
}

/** The process that has started this one. Linux only. */
export function parentOf(pid: number): number {
  return Number(statOf(pid)[1]);
}

/** The state letter of /proc; that of a process that has gone meanwhile is Z, too. */
function stateOf(pid: number): string {
  return statOf(pid)[0] ?? 'Z';
}

/** Fields of /proc from the state on; none for a process that has gone. */
function statOf(pid: number): readonly string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command's name comes before it, in brackets, and may hold anything.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}

/** Running processes that have this text in their environment, as what they start has it too. Linux only. */
export function processesWith(mark: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && environmentOf(name).includes(mark))
    .map(Number)
    .filter(isRunning);
}

/** Empty for a process that is gone, or somebody else's. */
function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1');
  } catch {
    return '';
  }
}
