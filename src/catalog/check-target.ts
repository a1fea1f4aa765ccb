import type { ServerTarget, StdioTarget } from '../db/server-record.ts';
import type { NetworkGuard } from '../networks/guard.ts';
import { Code, type FieldViolation, GatewayError } from '../protocol/errors.ts';

/** Headers that the transport writes itself, where a second value would make two messages of one; and `expect`, which it cannot send. */
const OWN_HEADERS = new Set([
  'accept',
  'connection',
  'content-length',
  'content-type',
  'expect',
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
/** RFC 9110, 5.5: a byte a character, none of them a control character. */
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * Refuses what could never be called, such as the URL of an address where no connection may go; where names lead is seen
 * when they are connected to. Throws InvalidArgument with every wrong field named, never with a secret's value.
 */
export function checkTarget(target: ServerTarget, networks: NetworkGuard): void {
  const fields =
    target.kind === 'http' ? httpFaults(target.url, target.headers, networks) : stdioFaults(target);
  if (fields.length === 0) return;
  const [first] = fields;
  throw new GatewayError(Code.InvalidArgument, `${first?.field}: ${first?.description}`, { fields });
}

function httpFaults(
  url: string,
  headers: Readonly<Record<string, string>>,
  networks: NetworkGuard,
): FieldViolation[] {
  const faults: FieldViolation[] = [];
  const parsed = URL.parse(url);
  if (parsed === null || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) {
    faults.push({ field: 'url', description: 'must be an http or https URL' });
  } else if (parsed.username !== '' || parsed.password !== '') {
    faults.push({ field: 'url', description: 'must not hold a user name or password; use a header' });
  } else if (parsed.hash !== '') {
    faults.push({ field: 'url', description: 'must not have a fragment' });
  } else {
    const description = networks.refusal(parsed.hostname);
    if (description !== undefined) faults.push({ field: 'url', description });
  }
  for (const [name, value] of Object.entries(headers)) {
    if (!HEADER_NAME.test(name))
      faults.push({ field: 'headers', description: `${JSON.stringify(name)} is not a header name` });
    else if (OWN_HEADERS.has(name.toLowerCase()))
      faults.push({ field: 'headers', description: `${name} is up to the gateway itself` });
    else if (!HEADER_VALUE.test(value))
      faults.push({
        field: 'headers',
        description: `the value of ${name} has a character that no header can carry`,
      });
  }
  return faults;
}

function stdioFaults({ command, args, env, cwd }: StdioTarget): FieldViolation[] {
  const faults: FieldViolation[] = [];
  if (command.trim() === '' || command.includes('\0'))
    faults.push({ field: 'stdio.command', description: 'must name a program' });
  if (args.some((arg) => arg.includes('\0')))
    faults.push({ field: 'stdio.args', description: 'must not hold NUL characters' });
  if (cwd?.includes('\0') === true)
    faults.push({ field: 'stdio.cwd', description: 'must not hold NUL characters' });
  for (const [name, value] of Object.entries(env)) {
    if (!ENV_NAME.test(name))
      faults.push({ field: 'stdio.env', description: `${JSON.stringify(name)} is not a variable name` });
    else if (value.includes('\0'))
      faults.push({ field: 'stdio.env', description: `the value of ${name} has a NUL character` });
  }
  return faults;
}
