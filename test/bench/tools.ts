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

/** The programs that make load and answer it. */
export interface Tools {
  /** For the report: what was used. */
  readonly description: string;
  /** Command line of the load generator, to be followed by its options. */
  readonly load: readonly string[];
  /** Command line of the downstream; `port` is a free one, for those that do not find one themselves. */
  downstream(port: number): readonly string[];
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
      load: [join(folder, 'loadgen'), '--mode', 'call'],
      downstream: inC(folder),
    };
  }
  const load = fileURLToPath(new URL('./load.ts', import.meta.url));
  return {
    description: 'load generator and downstream on Node (slower than what they measure may be)',
    load: [process.execPath, load],
    downstream: onNode,
  };
}

/** The downstream alone, as above. */
export async function findDownstream(folder: string): Promise<Pick<Tools, 'description' | 'downstream'>> {
  return (await compile(folder, ['downstream']))
    ? { description: 'downstream in C', downstream: inC(folder) }
    : { description: 'downstream on Node', downstream: onNode };
}

const inC = (folder: string) => (port: number) => [join(folder, 'downstream'), String(port), '10', 'json'];

const onNode = () => [process.execPath, fileURLToPath(new URL('./downstream.ts', import.meta.url))];

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
    description: 'proxy or gateway pinned to one core, load generator and downstream to another',
    proxy: ['taskset', '-c', '0'],
    rest: ['taskset', '-c', '1'],
  };
}

/** Starts a server and waits for the first line it prints. */
export async function startServer(
  command: readonly string[],
): Promise<{ process: ChildProcess; line: string }> {
  const [file, ...args] = command;
  const child = spawn(file!, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => child.kill());
  for await (const line of createInterface({ input: child.stdout })) return { process: child, line };
  throw new Error(`${command.join(' ')} ended before it was ready`);
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
