import { fileURLToPath } from 'node:url';
import type { StdioBehaviour } from './hostile-stdio.ts';

/** A server that is a process, as the management API takes it. */
export interface StdioCommand {
  readonly command: string;
  readonly args: readonly string[];
}

/** How to start {@link file://./echo-stdio.ts}. */
export function echoStdio(name = 'echo-stdio'): StdioCommand {
  return script(new URL('./echo-stdio.ts', import.meta.url), name);
}

/** How to start {@link file://./modern-stdio.ts}. */
export function modernStdio(...args: string[]): StdioCommand {
  return script(new URL('./modern-stdio.ts', import.meta.url), ...args);
}

/** How to start {@link file://../fixture/stdio.ts}: of the official library, in the modern era. */
export function fixtureStdio(): StdioCommand {
  return script(new URL('../fixture/stdio.ts', import.meta.url));
}

/** How to start {@link file://./hostile-stdio.ts}. */
export function hostileStdio(behaviour: StdioBehaviour, parameter?: string | number): StdioCommand {
  const url = new URL('./hostile-stdio.ts', import.meta.url);
  return parameter === undefined ? script(url, behaviour) : script(url, behaviour, String(parameter));
}

/** The Node that runs the tests: whatever is first on PATH may be one that cannot run TypeScript. */
function script(url: URL, ...args: string[]): StdioCommand {
  return { command: process.execPath, args: [fileURLToPath(url), ...args] };
}
