import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { WorkerCommands } from './worker.ts';

const SCRIPT = fileURLToPath(new URL('./worker.ts', import.meta.url));

interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** A process of simulated nodes, see worker.ts. */
export class Worker {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #lastId = 0;

  constructor() {
    this.#child = fork(SCRIPT, { serialization: 'json' });
    this.#child.on('message', ({ id, value, error }: Reply) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(value);
      else waiting?.reject(new Error(error));
    });
    this.#child.on('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`A worker ended: ${signal ?? code}`));
      this.#waiting.clear();
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  call<Name extends keyof WorkerCommands>(
    name: Name,
    ...[options]: Parameters<WorkerCommands[Name]>
  ): ReturnType<WorkerCommands[Name]> {
    const id = ++this.#lastId;
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    this.#child.send({ id, name, options: options ?? {} });
    return waiting.promise as ReturnType<WorkerCommands[Name]>;
  }

  /** It ends by itself when nobody is at the other end of the channel, also when that one was killed. */
  stop(): void {
    if (this.#child.connected) this.#child.disconnect();
  }
}
