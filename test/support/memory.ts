import { readFile, writeFile } from 'node:fs/promises';

/** Highest resident memory of a process since {@link forgetPeak}, in bytes. */
export async function peakMemory(pid: number): Promise<number> {
  return field(pid, 'VmHWM');
}

/** Begins anew to watch the peak: what a process took to start says nothing of what it does later. Returns its memory now. */
export async function forgetPeak(pid: number): Promise<number> {
  await writeFile(`/proc/${pid}/clear_refs`, '5');
  return field(pid, 'VmRSS');
}

async function field(pid: number, name: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024;
}
