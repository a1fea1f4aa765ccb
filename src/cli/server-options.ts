import { parseArgsStringToArgv } from 'string-argv';
import { parseDuration } from './durations.ts';
import { usageError } from './exit.ts';
import type { Sharing, Timeouts } from './new-server.ts';

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

/** `--tool-timeout NAME=5m`, `NAME=5m:1h` or `NAME=:1h`, collected into an object. */
export function collectToolTimeout(text: string, collected: Readonly<Record<string, Timeouts>> = {}) {
  const option = '--tool-timeout';
  // The last one: a tool's name may have the sign in it, a time has not.
  const equals = text.lastIndexOf('=');
  const [idle = '', total, ...more] = text.slice(equals + 1).split(':');
  if (equals < 1 || more.length > 0 || (idle === '' && total === undefined)) {
    throw usageError(`${option}: expected NAME=TIME or NAME=TIME:MAXIMUM, such as search=5m:1h`);
  }
  return withEntry(collected, text.slice(0, equals), {
    ...(idle === '' ? {} : { idleMs: parseDuration(idle, option) }),
    ...(total === undefined ? {} : { totalMs: parseDuration(total, option) }),
  });
}

/** `--share tenant` or `--share role:NAME`, collected. */
export function collectShare(
  text: string,
  { tenant, roles }: Sharing = { tenant: false, roles: [] },
): Sharing {
  const role = /^role:(.+)$/.exec(text)?.[1];
  if (text === 'tenant' && roles.length === 0) return { tenant: true, roles };
  if (role !== undefined && !tenant) return { tenant, roles: [...roles, role] };
  throw usageError('--share: expected either tenant, or role:NAME once or more');
}

/** Without a prototype, so that `__proto__` is a name like any other. */
function withEntry<T>(record: Readonly<Record<string, T>>, key: string, value: T): Record<string, T> {
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
