import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isRunning } from './processes.ts';
import type { StdioCommand } from './stdio-commands.ts';

/** What processes of {@link file://./journal-stdio.ts} have written down. */
export class Journal {
  readonly command: StdioCommand;
  readonly #folder: string;
  readonly #file: string;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#file = join(folder, 'journal');
    const script = fileURLToPath(new URL('./journal-stdio.ts', import.meta.url));
    this.command = { command: process.execPath, args: [script, this.#file] };
  }

  static async open(): Promise<Journal> {
    return new Journal(await mkdtemp(join(tmpdir(), 'dragon-journal-')));
  }

  /** Processes that were started, in order. */
  get starts(): readonly number[] {
    return this.#entries('start').map(({ pid }) => pid);
  }

  /** Those of them that run now. */
  get running(): readonly number[] {
    return this.starts.filter(isRunning);
  }

  /** Processes that have run the call of this key, in order. */
  runsOf(key: string): readonly number[] {
    return this.#entries('run').flatMap((entry) => (entry.key === key ? [entry.pid] : []));
  }

  /** Processes that were started while others ran. */
  get overlaps(): number {
    return this.#entries('start').filter(({ key }) => key !== '0').length;
  }

  async close(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  #entries(what: string) {
    return this.#read().filter((entry) => entry.what === what);
  }

  #read() {
    let written = '';
    try {
      written = readFileSync(this.#file, 'utf8');
    } catch {
      // Nothing was started yet.
    }
    return written
      .split('\n')
      .slice(0, -1)
      .map((line) => {
        const [what = '', pid = '', key = ''] = line.split(' ');
        return { what, pid: Number(pid), key };
      });
  }
}
