import type { Command } from 'commander';
import { apiKeyOf, managementUrl, mcpUrl } from './addresses.ts';
import { ExitCode } from './exit.ts';
import type { GlobalOptions, Io } from './io.ts';
import type { Management } from './management.ts';

/** What an action answers: an exit code, or nothing for success. */
type Outcome = ExitCode | undefined;

/**
 * What the commands share: the process they run in, and how their work is run. The clients are loaded by the commands
 * that use them, so that `--help` does not wait for them.
 */
export class Context {
  readonly io: Io;
  exitCode: ExitCode = ExitCode.Ok;

  constructor(io: Io) {
    this.io = io;
  }

  /** Runs work with a client of the management API. */
  async managing(
    command: Command,
    work: (management: Management, options: GlobalOptions) => Promise<Outcome>,
  ) {
    const options = this.#options(command);
    const url = managementUrl(this.io, options);
    const [{ connectManagement }, { reaching }] = await Promise.all([
      import('./management.ts'),
      import('./errors.ts'),
    ]);
    this.exitCode =
      (await reaching(url, () => work(connectManagement(url, options.apiKey), options))) ?? ExitCode.Ok;
  }

  /** Runs work with the URL of the MCP endpoint. */
  async calling(command: Command, work: (url: string, options: GlobalOptions) => Promise<Outcome>) {
    const options = this.#options(command);
    const url = mcpUrl(this.io, options);
    const { reaching } = await import('./errors.ts');
    this.exitCode = (await reaching(url, () => work(url, options))) ?? ExitCode.Ok;
  }

  /** With the key that the environment gives where no option does. */
  #options(command: Command): GlobalOptions {
    const options = globals(command);
    const apiKey = apiKeyOf(this.io, options);
    return apiKey === undefined ? options : { ...options, apiKey };
  }
}

/** The options that every command has, wherever they stand on the command line. */
export function globals(command: Command): GlobalOptions {
  return command.optsWithGlobals<GlobalOptions>();
}

/** Examples at the end of a command's help. */
export function examples(lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}\n`).join('')}`;
}
