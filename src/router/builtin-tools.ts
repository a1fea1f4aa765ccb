import { z } from 'zod';
import type { Route, Snapshot, Source } from '../catalog/snapshot.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { globMatches } from '../protocol/glob.ts';

/** What the built-in tools may look at. */
export interface BuiltinContext {
  readonly gateway: { readonly name: string; readonly version: string; readonly nodeId: string };
}

/** Sends one progress notification; does nothing where the caller asked for none. */
export type ReportProgress = (progress: number, total: number, message: string) => void;

interface Described<Input extends z.ZodObject> {
  readonly title: string;
  readonly description: string;
  readonly input: Input;
  readonly readOnly: boolean;
}

interface Runnable<Input> {
  readonly run: (input: Input, context: BuiltinContext, progress: ReportProgress) => Promise<unknown>;
}

/** A tool that only looks at what exists for its caller, which the router knows. */
interface Looking<Input> {
  readonly look: (input: Input, snapshot: Snapshot) => unknown;
}

export type LookingTool = Looking<never>;
export type BuiltinTool = Described<z.ZodObject> & (Runnable<never> | LookingTool | object);

/** Ties the type of a tool's input to its schema. */
function tool<Input extends z.ZodObject>(
  definition: Described<Input> & (Runnable<z.infer<Input>> | Looking<z.infer<Input>>),
): BuiltinTool {
  return definition;
}

/** Runs another server's tool; the router takes it apart. */
export const EXEC_TOOL = 'exec_tool';

export const execToolInput = z.object({
  server: z.string().describe('Name of the MCP server, as list_mcp_servers shows it'),
  tool: z.string().describe("The tool's own name on that server, or its public name"),
  arguments: z.record(z.string(), z.unknown()).default({}).describe('Arguments of the tool'),
});

export const BUILTIN_TOOLS: Readonly<Record<string, BuiltinTool>> = {
  echo: tool({
    title: 'Echo',
    description: 'Returns the message it was given. Shows that the gateway answers.',
    input: z.object({ message: z.string().describe('What to return') }),
    readOnly: true,
    run: async ({ message }) => message,
  }),
  system_info: tool({
    title: 'System information',
    description: 'Version, node and resource use of the gateway that answers.',
    input: z.object({}),
    readOnly: true,
    run: async (_input, { gateway }) => ({
      ...gateway,
      runtime: `Node.js ${process.version}`,
      platform: `${process.platform}-${process.arch}`,
      uptimeSeconds: Math.round(process.uptime()),
      memoryBytes: process.memoryUsage.rss(),
    }),
  }),
  streaming_example: tool({
    title: 'Streaming example',
    description: 'Repeats a message, reporting progress before each repetition. Shows that progress arrives.',
    input: z.object({
      message: z.string().describe('What to repeat'),
      count: z.int().min(1).max(10).default(3).describe('How often, from 1 to 10'),
    }),
    readOnly: true,
    run: async ({ message, count }, _context, progress) => {
      for (let done = 1; done <= count; done++) {
        progress(done, count, `${message} (${done} of ${count})`);
        // Each in a turn of its own, so that they leave one by one, as a tool that works would send them.
        await new Promise((resolve) => setImmediate(resolve));
      }
      return Array.from({ length: count }, () => message).join('\n');
    },
  }),
  list_mcp_servers: tool({
    title: 'List MCP servers',
    description: 'The MCP servers behind this gateway, how they do, and how many tools each has.',
    input: z.object({}),
    readOnly: true,
    look: (_input, { sources }) => ({ servers: sources.filter(isUsers).map(describeServer) }),
  }),
  list_tools_for_mcp_server: tool({
    title: 'List tools of an MCP server',
    description:
      'Tools of one MCP server with their input schemas, all of them or those whose names match a pattern.',
    input: z.object({
      server: z.string().describe('Name of the MCP server, as list_mcp_servers shows it'),
      patterns: z
        .array(z.string().max(256))
        .max(100)
        .optional()
        .describe('Tool names; * stands for any characters, ? for one. Absent: all tools'),
    }),
    readOnly: true,
    look: ({ server, patterns }, snapshot) => {
      findSource(snapshot, server);
      const wanted = ([name, route]: readonly [string, Route]) =>
        patterns === undefined ||
        patterns.some((each) => globMatches(each, route.key) || globMatches(each, name));
      const routes = [...snapshot.tools].filter(
        ([, route]) => route.server.name === server && route.server.target.kind !== 'builtin',
      );
      return {
        tools: routes
          .filter(wanted)
          .map(([name, route]) => ({ ...route.listed.entry, name: route.key, publicName: name })),
      };
    },
  }),
  [EXEC_TOOL]: {
    title: 'Execute a tool',
    description:
      'Calls a tool of an MCP server and returns its result. Find tools with list_tools_for_mcp_server.',
    input: execToolInput,
    readOnly: false,
  },
};

/** The tool of that name, and of no name that every object has. */
export function builtinTool(name: unknown): BuiltinTool | undefined {
  return typeof name === 'string' && Object.hasOwn(BUILTIN_TOOLS, name) ? BUILTIN_TOOLS[name] : undefined;
}

/** The owner's source of that name. Throws InvalidParams naming what exists. */
export function findSource(snapshot: Snapshot, name: string): Source {
  const sources = snapshot.sources.filter(isUsers);
  const found = sources.find(({ server }) => server.name === name);
  if (found !== undefined) return found;
  const known = sources.map(({ server }) => server.name).join(', ') || 'none';
  throw new GatewayError(
    Code.InvalidParams,
    `There is no server ${JSON.stringify(name.slice(0, 64))}; known: ${known.slice(0, 500)}`,
  );
}

function isUsers({ server }: Source): boolean {
  return server.target.kind !== 'builtin';
}

/** A server that fails keeps its tools for a while. */
function describeServer({ server, catalog, error }: Source) {
  const { title, version } = catalog?.serverInfo ?? {};
  return {
    name: server.name,
    kind: server.target.kind,
    state: error === undefined ? (catalog === undefined ? 'unknown' : 'ok') : 'failing',
    ...(error === undefined ? {} : { error }),
    tools: catalog?.tools.length ?? 0,
    ...(catalog === undefined ? {} : { title, version }),
  };
}
