import { type LimitSource, readLimitSource } from '../config/rule-sources.ts';
import { loadConfig } from '../config.ts';
import { CliError, ExitCode, usageError } from './exit.ts';
import { type GlobalOptions, type Io, print } from './io.ts';

export function checkLimits(io: Io, globals: GlobalOptions, file: string | undefined): ExitCode {
  const { length: count } = sourceOf(io, file).settings.rules;
  const rules = count === 1 ? 'rule' : 'rules';
  print(io, globals, { ok: true, rules: count }, () => `The limits are right: ${count} ${rules}.\n`);
  return ExitCode.Ok;
}

function sourceOf(io: Io, file: string | undefined): LimitSource {
  if (file === undefined) {
    const { limits } = loadConfig(io.env);
    if (limits === undefined) throw usageError('DRAGON_LIMITS is not set; name the limits with --file');
    return limits;
  }
  const read = readLimitSource(file);
  if ('problem' in read) throw new CliError(read.problem, ExitCode.Usage);
  return read;
}
