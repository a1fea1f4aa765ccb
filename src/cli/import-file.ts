import { getNodeValue, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser';
import { z } from 'zod';
import { usageError } from './exit.ts';
import type { NewServer, NewTarget } from './new-server.ts';
import { expandVariables, UnknownVariable, type Variables } from './variables.ts';

/** A server of the file as the gateway can have it, or the reason why it can't. */
export type ImportEntry =
  | { readonly name: string; readonly server: NewServer }
  | { readonly name: string; readonly reason: string };

/** Where the clients keep their servers: Claude Desktop and Cursor; VS Code's mcp.json; VS Code's settings.json. */
const PLACES = [['mcpServers'], ['servers'], ['mcp', 'servers']] as const;

const texts = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String));

const entrySchema = z.object({
  type: z.string().optional(),
  url: z.string().optional(),
  /** Other clients' names for the same. */
  serverUrl: z.string().optional(),
  httpUrl: z.string().optional(),
  headers: texts.optional(),
  command: z.string().optional(),
  args: z.array(z.union([z.string(), z.number()]).transform(String)).optional(),
  env: texts.optional(),
  envFile: z.string().optional(),
  cwd: z.string().optional(),
  disabled: z.boolean().optional(),
});

type Entry = z.output<typeof entrySchema>;

/**
 * Reads the servers of a client's configuration file, JSON with or without comments. Throws a usage error for a file
 * that is none; what is wrong with one server is the reason in its entry.
 */
export function readServersFile(text: string, variables: Variables): ImportEntry[] {
  const servers = findServers(parse(text));
  const taken = new Set<string>();
  return Object.entries(servers).map(([original, value]) => {
    const name = gatewayName(original);
    if (taken.has(name)) return { name: original, reason: `another server of the file is named ${name} too` };
    taken.add(name);
    const parsed = entrySchema.safeParse(value);
    if (!parsed.success) return { name: original, reason: describe(parsed.error) };
    try {
      const target = targetOf(expandVariables(parsed.data, variables));
      return { name: original, server: { name, target, ...(parsed.data.disabled && { enabled: false }) } };
    } catch (error) {
      if (error instanceof Unsuitable || error instanceof UnknownVariable)
        return { name: original, reason: error.message };
      throw error;
    }
  });
}

/** The gateway cannot have such a server. */
class Unsuitable extends Error {}

function parse(text: string): unknown {
  const errors: ParseError[] = [];
  const tree = parseTree(text.replace(/^\uFEFF/, ''), errors, { allowTrailingComma: true });
  const first = errors[0];
  if (first !== undefined) {
    const line = text.slice(0, first.offset).split('\n').length;
    throw usageError(`the file is not JSON: ${printParseErrorCode(first.error)} in line ${line}`);
  }
  return tree === undefined ? undefined : getNodeValue(tree);
}

function findServers(root: unknown): Readonly<Record<string, unknown>> {
  for (const place of PLACES) {
    let value = root;
    for (const key of place) value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
    if (isObject(value)) return value;
  }
  throw usageError('the file has no "mcpServers" (Claude Desktop, Cursor) and no "servers" (VS Code) object');
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Clients allow any name; the gateway's are part of the names of tools. */
function gatewayName(name: string): string {
  const usable = name.replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^-+|-+$/g, '');
  return usable.slice(0, 64) || 'server';
}

function targetOf(entry: Entry): NewTarget {
  const url = entry.url ?? entry.serverUrl ?? entry.httpUrl;
  if (url !== undefined && entry.command !== undefined) {
    throw new Unsuitable('it has both a url and a command');
  }
  if (url !== undefined) return { kind: 'http', url, headers: entry.headers ?? {} };
  if (entry.command === undefined) throw new Unsuitable('it has neither a url nor a command');
  if (entry.envFile !== undefined) {
    throw new Unsuitable('"envFile" is not supported; put its variables under "env"');
  }
  const { command, args = [], env = {}, cwd } = entry;
  return { kind: 'stdio', command, args, env, ...(cwd !== undefined && { cwd }) };
}

function describe(error: z.ZodError): string {
  return error.issues.map(({ path, message }) => `${path.join('.') || 'the entry'}: ${message}`).join('; ');
}
