import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { run } from '../../src/cli/program.ts';
import type { Gateway } from './gateway.ts';
import { COMMAND } from './main.ts';

/** What the command wrote, and how it ended. */
export interface CliResult {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface CliOptions {
  /** Standard input; empty when absent. */
  readonly input?: string;
  /** Variables beside PATH and HOME. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Runs the `dragon` command of this checkout to its end. */
export async function dragon(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const { input = '', env = {}, cwd } = options;
  const child = spawn(process.execPath, [COMMAND, ...args], {
    ...(cwd !== undefined && { cwd }),
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
  });
  // A command that does not read its input closes it early.
  child.stdin.on('error', () => {}).end(input);
  const [out, err, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code, out, err };
}

/** As {@link dragon} in this process, for what is the same in any: a hundred times faster. */
export async function dragonHere(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const { input = '', env = {} } = options;
  const out: string[] = [];
  const err: string[] = [];
  const code = await run(args, {
    env,
    out: (text) => void out.push(text),
    err: (text) => void err.push(text),
    readInput: async () => input,
    columns: undefined,
  });
  return { code, out: out.join(''), err: err.join('') };
}

/** The `dragon` command, told by the environment where a gateway is, as its users tell it. */
export function dragonFor(gateway: Gateway) {
  const env = {
    DRAGON_GRPC_PORT: new URL(gateway.grpcUrl).port,
    DRAGON_MCP_PORT: new URL(gateway.mcpUrl).port,
    DRAGON_MANAGEMENT_PORT: '0',
  };
  return (args: readonly string[], options: CliOptions = {}) =>
    dragon(args, { ...options, env: { ...env, ...options.env } });
}
