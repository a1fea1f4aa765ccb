import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { placeDatabase } from './database-template.ts';
import { MAIN } from './main.ts';
import { until } from './wait.ts';

const SERVICE = 'dragon.turnstile.api.v1.TurnstileService';

/** First start on an empty data folder includes making the database. */
const START_TIMEOUT_MS = 180_000;
const STOP_TIMEOUT_MS = 60_000;

export interface GatewayOptions {
  /** Settings on top of free ports and JSON logs. */
  readonly env?: Readonly<Record<string, string>>;
  /** Kept afterwards when given; else a fresh folder that goes with the gateway. */
  readonly dataDir?: string;
  /** Put before the command line of the gateway, for example `taskset -c 0`. */
  readonly prefix?: readonly string[];
}

/** A field of the management API's JSON form of a server, as far as tests need it. */
export interface NewServer {
  readonly name: string;
  readonly url?: string;
  readonly stdio?: {
    readonly command: string;
    readonly args?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    readonly cwd?: string;
  };
  readonly headers?: Readonly<Record<string, string>>;
  readonly toolPrefix?: string;
  /** How the gateway gets tokens for it. */
  readonly oauth?: object;
  /** Time limits of its calls, such as `1.5s`. */
  readonly timeouts?: { readonly idle?: string; readonly total?: string };
}

/** A gateway in a process of its own. */
export class Gateway {
  readonly mcpUrl: string;
  /** Base URL of the management API. */
  readonly grpcUrl: string;
  readonly opsUrl: string;
  readonly process: ChildProcess;
  readonly dataDir: string;
  readonly #lines: readonly string[];
  readonly #closed: Promise<unknown>;
  readonly #removeDataDir: boolean;
  #told = false;

  private constructor(child: Child, ready: ReadyLine, dataDir: string, removeDataDir: boolean) {
    this.process = child.process;
    this.#lines = child.lines;
    this.#closed = child.closed;
    this.mcpUrl = new URL('/mcp', ready.mcp).href;
    this.grpcUrl = new URL(ready.management).origin;
    this.opsUrl = new URL(ready.ops).origin;
    this.dataDir = dataDir;
    this.#removeDataDir = removeDataDir;
  }

  /** Starts a gateway and waits until it says that it is ready. Throws with its output when it ends before. */
  static async start(options: GatewayOptions = {}): Promise<Gateway> {
    const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'dragon-test-')));
    const removeDataDir = options.dataDir === undefined;
    if (options.env?.['DATABASE_URL'] === undefined) await placeDatabase(dataDir);
    const child = spawnGateway(dataDir, options);
    try {
      const ready = await until(() => findReady(child), { what: 'the gateway', timeoutMs: START_TIMEOUT_MS });
      if (ready === 'ended') throw new Error('The gateway ended before it was ready');
      return new Gateway(child, ready, dataDir, removeDataDir);
    } catch (cause) {
      child.process.kill('SIGKILL');
      await child.closed;
      if (removeDataDir) await rm(dataDir, { recursive: true, force: true });
      throw new Error(`The gateway did not start. It wrote:\n${child.lines.join('\n')}`, { cause });
    }
  }

  /** Everything written so far, to stdout and stderr. */
  get output(): string {
    return this.#lines.join('\n');
  }

  /** Log lines with this message. */
  logged(msg: string): readonly Record<string, unknown>[] {
    return this.#lines.map(parseLine).filter((line) => line?.['msg'] === msg) as Record<string, unknown>[];
  }

  /** True from its start until it ends, however it ends. */
  get isRunning(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /**
   * Sends the signal and waits for the end; kills what has not ended in time. Returns the exit code, or null. Throws with
   * the last of its output when the gateway had ended by itself.
   */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const { isRunning } = this;
    const unasked = isRunning || this.#told ? '' : `The gateway ended by itself. It wrote:\n${this.#tail()}`;
    this.#told = true;
    this.process.kill(signal);
    const timer = setTimeout(() => this.process.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await this.#closed;
    clearTimeout(timer);
    if (this.#removeDataDir) await rm(this.dataDir, { recursive: true, force: true });
    if (unasked !== '') throw new Error(unasked);
    return this.process.exitCode;
  }

  #tail(): string {
    return this.#lines.slice(-50).join('\n').slice(-10_000);
  }

  /** Calls the management API in its JSON form. Throws with the answer unless it is 200. */
  manage(method: string, request: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    return manage(this.grpcUrl, method, request);
  }

  /** Registers a server and returns its id. */
  async addServer(server: NewServer): Promise<string> {
    const answer = await this.manage('CreateMcpServer', { ...server });
    return (answer['server'] as { id: string }).id;
  }
}

/** Starts a gateway; see {@link Gateway.start}. */
export const startGateway = (options?: GatewayOptions): Promise<Gateway> => Gateway.start(options);

/** Calls the management API at a base URL; see {@link Gateway.manage}. */
export async function manage(
  grpcUrl: string,
  method: string,
  request: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  const response = await fetch(`${grpcUrl}/${SERVICE}/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'connect-protocol-version': '1' },
    body: JSON.stringify(request),
  });
  const body = await response.text();
  if (!response.ok) throw new Error(`${method} answered ${response.status}: ${body}`);
  return JSON.parse(body);
}

interface ReadyLine {
  readonly mcp: string;
  readonly management: string;
  readonly ops: string;
}

interface Child {
  readonly process: ChildProcess;
  readonly lines: string[];
  readonly closed: Promise<unknown>;
}

/** That of a gateway on free ports with a folder of its own, and nothing of whoever runs the tests. */
export function gatewayEnvironment(dataDir: string, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    DRAGON_MCP_PORT: '0',
    DRAGON_GRPC_PORT: '0',
    DRAGON_MANAGEMENT_PORT: '0',
    DRAGON_LOG_FORMAT: 'json',
    DRAGON_DATA_DIR: dataDir,
    ...more,
  };
}

function spawnGateway(dataDir: string, { env, prefix = [] }: GatewayOptions): Child {
  const [command, ...args] = [...prefix, process.execPath, MAIN];
  const child = spawn(command!, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: gatewayEnvironment(dataDir, env),
  });
  // A test that dies must not leave a gateway behind.
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const closed = once(child, 'close').finally(() => process.off('exit', kill));
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) collectLines(stream, lines);
  return { process: child, lines, closed };
}

function collectLines(stream: NodeJS.ReadableStream, lines: string[]): void {
  let rest = '';
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
  });
}

function findReady({ process: child, lines }: Child): ReadyLine | 'ended' | undefined {
  for (const line of lines) {
    const entry = parseLine(line);
    if (entry?.['msg'] === 'ready') return entry as unknown as ReadyLine;
  }
  return child.exitCode !== null || child.signalCode !== null ? 'ended' : undefined;
}

function parseLine(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
