import { parseArgsStringToArgv } from 'string-argv';
import { usageError } from './exit.ts';

/** `--header "Name: value"`, collected into an object. */
export function collectHeader(text: string, collected: Readonly<Record<string, string>> = {}) {
  const colon = text.indexOf(':');
  if (colon < 1) throw usageError('--header: expected "Name: value"');
  return withEntry(collected, text.slice(0, colon).trim(), text.slice(colon + 1).trim());
}

/** `--env NAME=value`, collected into an object. */
export function collectEnv(text: string, collected: Readonly<Record<string, string>> = {}) {
  const equals = text.indexOf('=');
  if (equals < 1) throw usageError('--env: expected NAME=value');
  return withEntry(collected, text.slice(0, equals), text.slice(equals + 1));
}

/** Without a prototype, so that `__proto__` is a name like any other. */
function withEntry(
  record: Readonly<Record<string, string>>,
  key: string,
  value: string,
): Record<string, string> {
  return Object.assign(Object.create(null), record, { [key]: value });
}

/**
 * Splits the text of `--command` into words. Quotes, single or double, keep words together and are removed; there are
 * no escapes, so that Windows paths stay whole.
 */
export function splitCommand(text: string): { command: string; args: string[] } {
  if (endsInsideQuotes(text)) throw usageError('--command: a quote is not closed');
  const [command, ...args] = parseArgsStringToArgv(text);
  if (command === undefined || command === '')
    throw usageError('--command: expected a program and its arguments');
  return { command, args };
}

function endsInsideQuotes(text: string): boolean {
  let open: string | undefined;
  for (const character of text) {
    if (open === undefined && (character === '"' || character === "'")) open = character;
    else if (character === open) open = undefined;
  }
  return open !== undefined;
}
