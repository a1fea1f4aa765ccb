import type { ServerTarget } from '../db/server-record.ts';
import { Code, type FieldViolation, GatewayError } from '../protocol/errors.ts';

/** Headers that the transport writes itself; a second value for one would make two messages of one. */
const OWN_HEADERS = new Set([
  'accept',
  'connection',
  'content-length',
  'content-type',
  'host',
  'keep-alive',
  'last-event-id',
  'mcp-method',
  'mcp-name',
  'mcp-protocol-version',
  'mcp-session-id',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be in a header.
const HEADER_VALUE = /^[^\x00-\x08\x0a-\x1f\x7f]*$/;
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** Refuses what could never be called. Throws InvalidArgument with every wrong field named, never with a secret's value. */
export function checkTarget(target: ServerTarget): void {
  const fields =
    target.kind === 'http'
      ? httpFaults(target.url, target.headers)
      : stdioFaults(target.command, target.args, target.env);
  if (fields.length === 0) return;
  const [first] = fields;
  throw new GatewayError(Code.InvalidArgument, `${first?.field}: ${first?.description}`, { fields });
}

function httpFaults(url: string, headers: Readonly<Record<string, string>>): FieldViolation[] {
  const faults: FieldViolation[] = [];
  const parsed = URL.parse(url);
  if (parsed === null || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) {
    faults.push({ field: 'url', description: 'must be an http or https URL' });
  } else if (parsed.username !== '' || parsed.password !== '') {
    faults.push({ field: 'url', description: 'must not hold a user name or password; use a header' });
  } else if (parsed.hash !== '') {
    faults.push({ field: 'url', description: 'must not have a fragment' });
  }
  for (const [name, value] of Object.entries(headers)) {
    if (!HEADER_NAME.test(name))
      faults.push({ field: 'headers', description: `${JSON.stringify(name)} is not a header name` });
    else if (OWN_HEADERS.has(name.toLowerCase()))
      faults.push({ field: 'headers', description: `${name} is set by the gateway itself` });
    else if (!HEADER_VALUE.test(value))
      faults.push({ field: 'headers', description: `the value of ${name} has a control character` });
  }
  return faults;
}

function stdioFaults(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): FieldViolation[] {
  const faults: FieldViolation[] = [];
  if (command.trim() === '' || command.includes('\0'))
    faults.push({ field: 'stdio.command', description: 'must name a program' });
  if (args.some((arg) => arg.includes('\0')))
    faults.push({ field: 'stdio.args', description: 'must not hold NUL characters' });
  for (const [name, value] of Object.entries(env)) {
    if (!ENV_NAME.test(name))
      faults.push({ field: 'stdio.env', description: `${JSON.stringify(name)} is not a variable name` });
    else if (value.includes('\0'))
      faults.push({ field: 'stdio.env', description: `the value of ${name} has a NUL character` });
  }
  return faults;
}
