import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { MAIN } from '../support/main.ts';

export interface Addresses {
  readonly mcp: string;
  readonly management: string;
  readonly ops: string;
}

export interface LocalNode {
  readonly name: string;
  readonly pid: number;
  /** Resolves when it takes requests; rejects when it ends before. */
  readonly ready: Promise<Addresses>;
  /** Resolves when it has ended, with how: `exit code 0`, `SIGKILL`. */
  readonly ended: Promise<string>;
  stop(signal?: NodeJS.Signals): void;
}

/** Starts a gateway on free ports. What it logs goes to `print`, but for the line that says where it is. */
export function startNode(name: string, env: NodeJS.ProcessEnv, print: (line: string) => void): LocalNode {
  const child = spawn(process.execPath, [MAIN], {
    // In a group of its own, so that Ctrl-C reaches only us, who stop it once; and with a channel whose end it hears
    // of, so that it stops when we are killed.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: {
      ...env,
      DRAGON_NODE_ID: name,
      DRAGON_MCP_PORT: '0',
      DRAGON_GRPC_PORT: '0',
      DRAGON_MANAGEMENT_PORT: '0',
      DRAGON_LOG_FORMAT: 'json',
    },
  });
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  const ready = new Promise<Addresses>((resolve, reject) => {
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const entry = parse(line);
      if (entry?.['msg'] === 'ready') resolve(addressesOf(entry));
      else print(entry === undefined ? line : textOf(entry));
    });
    void ended.then((how) => reject(new Error(`${name} ended before it was ready: ${how}`)));
  });
  ready.catch(() => {});
  createInterface({ input: child.stderr! }).on('line', print);
  return { name, pid: child.pid ?? 0, ready, ended, stop: (signal = 'SIGTERM') => child.kill(signal) };
}

function addressesOf(entry: Record<string, unknown>): Addresses {
  const url = (key: keyof Addresses) => new URL(String(entry[key])).origin;
  return { mcp: url('mcp'), management: url('management'), ops: url('ops') };
}

/** A log line for people: the message, and what it is about. */
function textOf({ level, time, msg, node, pid, hostname, ...about }: Record<string, unknown>): string {
  const details = Object.keys(about).length === 0 ? '' : ` ${JSON.stringify(about)}`;
  return `${level} ${msg}${details}`;
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const entry: unknown = JSON.parse(line);
    return typeof entry === 'object' && entry !== null ? { ...entry } : undefined;
  } catch {
    return undefined;
  }
}
