/** Options of `dragon server update`: what is absent stays as it is. */
export interface UpdateOptions {
  readonly name?: string;
  readonly url?: string;
  readonly command?: string;
  readonly header?: Record<string, string>;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  readonly toolPrefix?: string;
  readonly clear?: readonly string[];
  readonly enable?: boolean;
  readonly disable?: boolean;
}

/** What `--clear` can set back, and the field it stands for. */
export const CLEARABLE: ReadonlyMap<string, string> = new Map([
  ['headers', 'headers'],
  ['env', 'stdio.env'],
  ['cwd', 'stdio.cwd'],
  ['tool-prefix', 'tool_prefix'],
]);
