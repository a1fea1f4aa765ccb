import type { ChildProcess } from 'node:child_process';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** What the server behind is like; without options, ten tools and answers in JSON. */
export interface DownstreamOptions {
  readonly tools?: number;
  readonly answers?: 'json' | 'sse';
}

/** The programs that make load and answer it. */
export interface Tools {
  /** For the report: what was used. */
  readonly description: string;
  /** Command line of the load generator, to be followed by its options. */
  readonly load: readonly string[];
  /** Only the one in C also fetches lists, starts sessions and holds streams open. */
  readonly isInC: boolean;
  /** Command line of the downstream; `port` is a free one, for those that do not find one themselves. */
  downstream(port: number, options?: DownstreamOptions): readonly string[];
  /** Command line of one that talks over its standard input and output, where there is one. */
  readonly stdio?: readonly string[];
}

/** Command line prefixes that put a process on a core of its own. */
export interface Pinning {
  readonly description: string;
  /** What is measured. */
  readonly proxy: readonly string[];
  /** Load generator and downstream. */
  readonly rest: readonly string[];
}

/** The tools in C where they and a compiler are at hand, compiled into `folder`; else those in this folder. */
export async function findTools(folder: string): Promise<Tools> {
  if (await compile(folder, ['loadgen', 'downstream'])) {
    return {
      description: 'load generator and downstream in C',
      load: [join(folder, 'loadgen')],
      isInC: true,
      downstream: inC(folder),
      stdio: [join(folder, 'downstream'), 'stdio', '10'],
    };
  }
  return {
    description: 'load generator and downstream on Node (slower than what they measure may be)',
    load: LOAD_ON_NODE,
    isInC: false,
    downstream: onNode,
  };
}

/** The downstream alone, as above. */
export async function findDownstream(folder: string): Promise<Pick<Tools, 'description' | 'downstream'>> {
  return (await compile(folder, ['downstream']))
    ? { description: 'downstream in C', downstream: inC(folder) }
    : { description: 'downstream on Node', downstream: onNode };
}

const inC =
  (folder: string) =>
  (port: number, { tools = 10, answers = 'json' }: DownstreamOptions = {}) => [
    join(folder, 'downstream'),
    String(port),
    String(tools),
    answers,
  ];

/** The load generator on Node, which also plays clients of the modern era. */
export const LOAD_ON_NODE = [process.execPath, fileURLToPath(new URL('./load.ts', import.meta.url))];

/** The downstream on Node, which can do more than the one in C. */
export const DOWNSTREAM_ON_NODE = [
  process.execPath,
  fileURLToPath(new URL('./downstream.ts', import.meta.url)),
];

const onNode = (_port: number, { tools = 10, answers = 'json' }: DownstreamOptions = {}) => [
  ...DOWNSTREAM_ON_NODE,
  ...['--tools', String(tools), '--answers', answers],
];

/** Whether that is possible here. */
async function compile(folder: string, names: readonly string[]): Promise<boolean> {
  const source = process.env['DRAGON_LOADTEST_DIR'] ?? join(ROOT, '..', 'shared', 'loadtest');
  if (!names.every((name) => existsSync(join(source, `${name}.c`)))) return false;
  if (!(await works('gcc', ['--version']))) return false;
  for (const name of names) await run('gcc', ['-O2', '-o', join(folder, name), join(source, `${name}.c`)]);
  return true;
}

/** Core 0 for what is measured and core 1 for the rest, where the system can do that. */
export async function findPinning(): Promise<Pinning> {
  if (availableParallelism() < 2 || !(await works('taskset', ['--version']))) {
    return { description: 'processes not pinned to cores', proxy: [], rest: [] };
  }
  return {
    description: 'what is measured pinned to one core, load generator, downstream and all else to another',
    proxy: ['taskset', '-c', '0'],
    rest: ['taskset', '-c', '1'],
  };
}

/** Puts this process, and so what it will start without a prefix, where the load is. */
export async function pinItself({ rest }: Pinning): Promise<void> {
  if (rest.length > 0) await run('taskset', ['-a', '-c', '-p', '1', String(process.pid)]);
}

export interface StartedServer {
  readonly process: ChildProcess;
  /** The first line it printed. */
  readonly line: string;
  /** What it had written to stderr until then. */
  readonly errors: string;
}

/** What Node says of its inspector while it is used. */
const OF_INSPECTOR = /^(?:Debugger |For help, see: ).*\n/gm;

/** Starts a server and waits for the first line it prints. What it writes to stderr comes out here too. */
export async function startServer(command: readonly string[]): Promise<StartedServer> {
  const [file, ...args] = command;
  const child = spawn(file!, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const kill = () => child.kill();
  process.once('exit', kill);
  child.once('close', () => process.off('exit', kill));
  let errors = '';
  let isReady = false;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (isReady) process.stderr.write(text.replace(OF_INSPECTOR, ''));
    else errors += text;
  });
  const ended = once(child, 'close').then(() => undefined);
  const lines = createInterface({ input: child.stdout });
  // Reads on after the first, or it would come to wait for that.
  const first = once(lines, 'line').then(([line]: string[]) => line);
  const line = await Promise.race([first, ended]);
  isReady = true;
  if (line === undefined) throw new Error(`${command.join(' ')} ended before it was ready:\n${errors}`);
  return { process: child, line, errors };
}

/** Runs a program to its end and returns what it printed. */
export async function output(command: readonly string[]): Promise<string> {
  const [file, ...args] = command;
  return (await run(file!, args)).stdout;
}

/** A port that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function works(command: string, args: readonly string[]): Promise<boolean> {
  return run(command, args).then(
    () => true,
    () => false,
  );
}
