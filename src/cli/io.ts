import type { Environment } from '../config/sources.ts';

/** All that the command touches of the process it runs in. */
export interface Io {
  readonly env: Environment;
  /** Results. Complete lines. */
  readonly out: (text: string) => void;
  /** Progress, remarks and errors. Complete lines. */
  readonly err: (text: string) => void;
  /** The whole of standard input. */
  readonly readInput: () => Promise<string>;
  /** Columns of the terminal that `out` writes to; undefined where it is not one. */
  readonly columns: number | undefined;
}

/** The options that every command has. */
export interface GlobalOptions {
  readonly json?: boolean;
  readonly managementUrl?: string;
  readonly mcpUrl?: string;
  readonly apiKey?: string;
}

/** Result of a command in the form that was asked for. */
export function print(io: Io, options: GlobalOptions, value: unknown, human: () => string): void {
  const text = options.json ? JSON.stringify(value, null, 2) : human();
  if (text !== '') io.out(text.endsWith('\n') ? text : `${text}\n`);
}
