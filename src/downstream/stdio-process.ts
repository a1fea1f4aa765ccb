import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { getDefaultEnvironment } from '@modelcontextprotocol/sdk/client/stdio.js';
import type { StdioTarget } from '../db/server-record.ts';
import { LineSplitter } from './lines.ts';
import { type Reaper, signalGroup } from './reaper.ts';

/** From a closed stdin to SIGTERM, and from there to SIGKILL (2025-11-25, lifecycle: Shutdown). */
const GRACE_MS = 1500;

/** A process that ends closes its stdout a moment before; one that lives on without it can answer nobody. */
const CLOSED_STDOUT_MS = 250;

/** As much of one line of stderr as is worth a place in the log. */
const MAX_STDERR_LINE = 4096;

/** How much of stderr is kept to explain an early end. */
const STDERR_TAIL = 400;

export interface StdioProcessOptions {
  readonly target: StdioTarget;
  readonly reaper: Reaper;
  readonly maxMessageBytes: number;
  readonly onLine: (line: string) => void;
  readonly onStderr: (line: string) => void;
  /** Once, when the process is gone or never came to be. The reason is for people. */
  readonly onExit: (reason: string) => void;
}

/** One child process in a process group of its own, so that whatever it starts ends with it. */
export class StdioProcess {
  readonly #options: StdioProcessOptions;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #exited = Promise.withResolvers<void>();
  #stderrTail = '';
  /** Why the process was killed, where it was. */
  #fault = '';
  #isStopping = false;
  #over = false;

  constructor(options: StdioProcessOptions) {
    this.#options = options;
    const { target } = options;
    this.#child = spawn(target.command, [...target.args], {
      env: { ...getDefaultEnvironment(), ...target.env },
      ...(target.cwd === undefined ? {} : { cwd: target.cwd }),
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: process.platform !== 'win32',
      windowsHide: true,
    });
    if (this.#child.pid !== undefined) options.reaper.add(this.#child.pid);
    this.#read();
    this.#child.on('error', (error) => this.#end(startFailure(target, error)));
    this.#child.on('exit', (code, signal) => this.#gone(() => this.#exitReason(code, signal)));
    this.#child.stdin.on('error', () => {});
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Characters that were sent to the process and that it has not read. */
  get unread(): number {
    return this.#child.stdin.writableLength;
  }

  /** Writes one message. */
  write(text: string): void {
    if (this.#over) return;
    // A newline inside the text can only be white space between JSON tokens.
    this.#child.stdin.write(`${text.includes('\n') ? text.replaceAll(/[\r\n]+/g, ' ') : text}\n`);
  }

  async writeFirst(text: string): Promise<void> {
    this.write(text);
  }

  pause(): void {
    this.#child.stdout.pause();
  }

  resume(): void {
    this.#child.stdout.resume();
  }

  /** Asks the process to end, then makes it, with all that it started. Resolves when it is gone. */
  async stop(): Promise<void> {
    if (this.#child.pid === undefined || this.#over) return;
    const group = this.#child.pid;
    this.#isStopping = true;
    this.#child.stdin.end();
    const terminate = setTimeout(() => signalGroup(group, 'SIGTERM'), GRACE_MS);
    const kill = setTimeout(() => this.#kill(), 2 * GRACE_MS);
    await this.#exited.promise;
    clearTimeout(terminate);
    clearTimeout(kill);
  }

  /** For a process that can't be trusted any more. */
  kill(): void {
    if (!this.#over) this.#kill();
  }

  #kill(): void {
    if (this.#child.pid !== undefined) signalGroup(this.#child.pid, 'SIGKILL');
  }

  #read(): void {
    const out = new LineSplitter(this.#options.onLine, this.#options.maxMessageBytes);
    this.#child.stdout.on('data', (chunk: Buffer) => {
      try {
        out.push(chunk);
      } catch (error) {
        this.#condemn(`wrote ${error instanceof Error ? error.message : 'too much'} to stdout`);
      }
    });
    this.#child.stdout.on('end', () => {
      setTimeout(() => {
        if (!this.#isStopping && this.#child.exitCode === null && this.#child.signalCode === null)
          this.#condemn('closed its stdout');
      }, CLOSED_STDOUT_MS).unref();
    });
    const err = new LineSplitter((line) => {
      this.#stderrTail = line.trim() === '' ? this.#stderrTail : line.slice(0, STDERR_TAIL);
      this.#options.onStderr(line.slice(0, MAX_STDERR_LINE));
    }, 1 << 20);
    this.#child.stderr.on('data', (chunk: Buffer) => {
      try {
        err.push(chunk);
      } catch {
        // A line of a megabyte on stderr is not worth keeping.
      }
    });
    this.#child.stdout.on('error', () => {});
    this.#child.stderr.on('error', () => {});
  }

  #condemn(fault: string): void {
    this.#fault = fault;
    this.#kill();
  }

  #exitReason(code: number | null, signal: NodeJS.Signals | null): string {
    if (this.#fault !== '') return `${this.#fault} and was ended`;
    const how = signal === null ? `exited with code ${code}` : `was ended by ${signal}`;
    return this.#stderrTail === '' ? how : `${how}; its last words: ${this.#stderrTail}`;
  }

  /**
   * The process is gone; its pipes may still hold what it wrote, its last words among them, and its group what it started.
   */
  #gone(reasonOf: () => string): void {
    const group = this.#child.pid;
    if (group !== undefined) this.#clearGroup(group);
    this.#child.once('close', () => this.#end(reasonOf()));
    setTimeout(() => this.#end(reasonOf()), GRACE_MS).unref();
  }

  #clearGroup(group: number): void {
    if (!signalGroup(group, 'SIGTERM')) return this.#options.reaper.remove(group);
    setTimeout(() => {
      signalGroup(group, 'SIGKILL');
      this.#options.reaper.remove(group);
    }, GRACE_MS).unref();
  }

  #end(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#options.onExit(reason);
    this.#exited.resolve();
  }
}

function startFailure(target: StdioTarget, error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT')
    return `could not be started: there is no command ${JSON.stringify(target.command)}`;
  if (error.code === 'EACCES')
    return `could not be started: ${JSON.stringify(target.command)} may not be executed`;
  return `could not be started (${error.code ?? 'unknown error'})`;
}
