import type { Io } from './io.ts';

const LOOK_MS = 500;

/**
 * `npx` runs a command in a shell, and a signal to npx ends that shell and not the command in it. So a gateway started
 * by npx looks whether its parent is still the same, and ends itself when it isn't. Others may outlive their parents.
 */
export function endWithNpx({ env }: Pick<Io, 'env'>): void {
  if (env['npm_command'] !== 'exec') return;
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    process.kill(process.pid, 'SIGTERM');
  }, LOOK_MS);
  timer.unref();
}
