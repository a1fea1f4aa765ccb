import { readFile } from 'node:fs/promises';
import type { Progress, Tool } from '@modelcontextprotocol/sdk/types.js';
import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { resultText } from './content.ts';
import { ExitCode, usageError } from './exit.ts';
import { type GlobalOptions, type Io, print } from './io.ts';
import { allTools, withMcpClient } from './mcp.ts';
import { cut, printable, table } from './table.ts';

/** Columns for the descriptions where the output is not a terminal. */
const DEFAULT_COLUMNS = 120;
const LEAST_DESCRIPTION = 30;

/** Lists what a client of the gateway sees. `only`: names to show; undefined for all. */
export async function listTools(io: Io, options: GlobalOptions, url: string, only: Set<string> | undefined) {
  const all = await withMcpClient(url, options, allTools);
  const tools = only === undefined ? all : all.filter(({ name }) => only.has(name));
  print(io, options, tools, () => toolTable(tools, io.columns ?? DEFAULT_COLUMNS));
}

/** Calls a tool and prints its result. Exit code 1 where the tool says that it failed. */
export async function callTool(
  io: Io,
  options: GlobalOptions & { readonly timeout: number },
  url: string,
  name: string,
  argument: string,
) {
  const toolArguments = await parseArguments(io, argument);
  const timeout = options.timeout * 1000;
  const result = await withMcpClient(url, options, (client) =>
    client.request(
      { method: 'tools/call', params: { name, arguments: toolArguments } },
      CallToolResultSchema,
      {
        timeout,
        resetTimeoutOnProgress: true,
        onprogress: (progress) => {
          if (!options.json) io.err(`${progressText(progress)}\n`);
        },
      },
    ),
  );
  print(io, options, result, () =>
    io.columns === undefined ? resultText(result) : printable(resultText(result)),
  );
  if (result.isError !== true) return ExitCode.Ok;
  if (!options.json) io.err(`${name} failed.\n`);
  return ExitCode.Failed;
}

function toolTable(tools: readonly Tool[], columns: number): string {
  if (tools.length === 0) return 'No tools.';
  const longest = Math.max(...tools.map(({ name }) => name.length));
  const width = Math.max(LEAST_DESCRIPTION, columns - longest - 2);
  return table(
    ['tool', 'description'],
    tools.map(({ name, description }) => [name, cut(description ?? '', width)]),
  );
}

/** The arguments of a call: JSON, `@` and the name of a file with JSON, or `-` for standard input. */
async function parseArguments(io: Io, argument: string): Promise<Record<string, unknown>> {
  const text = await argumentText(io, argument);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw usageError(`the arguments are not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isObject(value)) throw usageError('the arguments must be a JSON object, such as {"message": "hello"}');
  return value;
}

async function argumentText(io: Io, argument: string): Promise<string> {
  if (argument === '-') return io.readInput();
  if (!argument.startsWith('@')) return argument;
  try {
    return await readFile(argument.slice(1), 'utf8');
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw usageError(`${argument.slice(1)} cannot be read: ${error.message}`);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function progressText({ progress, total, message }: Progress): string {
  const count = total === undefined ? String(progress) : `${progress}/${total}`;
  return printable(message === undefined ? count : `${count} ${message}`);
}
