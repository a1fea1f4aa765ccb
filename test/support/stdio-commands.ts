import { fileURLToPath } from 'node:url';
import type { StdioBehaviour } from './hostile-stdio.ts';

export interface StdioCommand {
  readonly command: string;
  readonly args: readonly string[];
}

/** How to start {@link file://./echo-stdio.ts}. */
export function echoStdio(name = 'echo-stdio'): StdioCommand {
  return script('./echo-stdio.ts', name);
}

/** How to start {@link file://./hostile-stdio.ts}. */
export function hostileStdio(behaviour: StdioBehaviour, parameter?: string | number): StdioCommand {
  return script('./hostile-stdio.ts', behaviour, ...(parameter === undefined ? [] : [String(parameter)]));
}

/** The Node that runs the tests: whatever is first on PATH may be one that cannot run TypeScript. */
function script(file: string, ...args: string[]): StdioCommand {
  return { command: process.execPath, args: [fileURLToPath(new URL(file, import.meta.url)), ...args] };
}
