import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type LimitSettings, readLimits } from '../limits/rules.ts';
import { type PolicySettings, readPolicy } from '../policy/rules.ts';

type Problem = { readonly problem: string };

/** Rules as they are configured, and the text that named them. */
interface RuleSource<Settings> {
  readonly texts: readonly string[];
  readonly settings: Settings;
}

export type PolicySource = RuleSource<PolicySettings>;
export type LimitSource = RuleSource<LimitSettings>;

/** A policy in JSON, or in the file of that path. Answers what is wrong where something is. */
export function readPolicySource(text: string): PolicySource | Problem {
  return readSource(text, readPolicy);
}

/** The same for limits. */
export function readLimitSource(text: string): LimitSource | Problem {
  return readSource(text, readLimits);
}

function readSource<Settings extends object>(
  text: string,
  read: (json: string) => Settings | Problem,
): RuleSource<Settings> | Problem {
  const settings = text.startsWith('{') ? read(text) : readFile(text, read);
  return 'problem' in settings ? settings : { texts: [text], settings };
}

function readFile<Settings extends object>(
  path: string,
  read: (json: string) => Settings | Problem,
): Settings | Problem {
  const file = resolve(path);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? error.code : error;
    return {
      problem: reason === 'ENOENT' ? `there is no file ${file}` : `${file} cannot be read: ${reason}`,
    };
  }
  const settings = read(text);
  return 'problem' in settings ? { problem: `in ${file}, ${settings.problem}` } : settings;
}
