/**
 * The configuration cannot be used. The message has one line for each thing that is wrong; a line names the setting,
 * the value (never that of a secret) and what is accepted.
 */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}
