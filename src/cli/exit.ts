/** What the command's exit code tells a script. */
export const ExitCode = {
  Ok: 0,
  /** The command was understood, and what it asked for failed. */
  Failed: 1,
  /** The command line, a file or the environment cannot be understood. */
  Usage: 2,
  /** Nothing answers where the gateway should be. */
  Unreachable: 3,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** A failure that is told to the user in its message, without a stack. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode = ExitCode.Failed) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The command was used wrongly: exit code 2. */
export function usageError(message: string): CliError {
  return new CliError(message, ExitCode.Usage);
}
