import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type PolicySettings, readPolicy } from '../policy/rules.ts';

/** A policy as it is configured, and the text that named it. */
export interface PolicySource {
  readonly texts: readonly string[];
  readonly settings: PolicySettings;
}

/** A policy in JSON, or in the file of that path. Answers what is wrong where something is. */
export function readPolicySource(text: string): PolicySource | { readonly problem: string } {
  const read = text.startsWith('{') ? readPolicy(text) : readPolicyFile(text);
  return 'problem' in read ? read : { texts: [text], settings: read };
}

function readPolicyFile(path: string): PolicySettings | { readonly problem: string } {
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
  const read = readPolicy(text);
  return 'problem' in read ? { problem: `in ${file}, ${read.problem}` } : read;
}
