import type { Sharing, Timeouts } from './new-server.ts';
import type { OAuthOptions } from './oauth-options.ts';

/** Options of `dragon server update`: what is absent stays as it is. */
export interface UpdateOptions extends OAuthOptions {
  readonly name?: string;
  readonly url?: string;
  readonly command?: string;
  readonly header?: Record<string, string>;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  readonly toolPrefix?: string;
  /** In milliseconds. */
  readonly timeout?: number;
  /** In milliseconds. */
  readonly maxTimeout?: number;
  readonly toolTimeout?: Record<string, Timeouts>;
  readonly share?: Sharing;
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
  ['timeout', 'timeouts.idle'],
  ['max-timeout', 'timeouts.total'],
  ['tool-timeouts', 'tool_timeouts'],
  ['share', 'shared_with'],
  ['oauth', 'oauth'],
]);
