import { type ChildProcess, spawn } from 'node:child_process';

export interface SuperviseOptions {
  /** A folder of its own, which is removed at last. */
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * Runs a server under a shell that ends it when our end of a pipe closes: when `stdin` is ended, and also when the
 * test's process is killed and has no chance to. Its output comes on `stderr`. `end` may use $pid, the server's id.
 */
export function supervise(command: string, end: string, options: SuperviseOptions): ChildProcess {
  const script = [
    // Whoever signals the whole group: the shell has to outlive its server to clean up.
    "trap '' HUP INT TERM",
    'exec 3<&0',
    `(exec ${command}) </dev/null >&2 3<&- &`,
    'pid=$!',
    `(cat <&3 >/dev/null; ${end}) &`,
    'wait $pid',
    options.cwd === undefined ? '' : `cd / && rm -rf '${options.cwd}'`,
  ].join('\n');
  // In a group of its own: Ctrl-C is for us, and who uses the server may still need it to come to an end.
  return spawn('/bin/sh', ['-c', script], { ...options, detached: true, stdio: ['pipe', 'ignore', 'pipe'] });
}
