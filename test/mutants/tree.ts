import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Mutant, mutated } from './mutant.ts';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Of the checkout's root: what is not copied. */
const LEFT_OUT: ReadonlySet<string> = new Set(['.git', 'dist', 'node_modules']);

/** A copy of the checkout in which code can be broken. */
export class Tree {
  /** The copy's root. */
  readonly root: string;
  /** For what tests leave behind that are ended half way. */
  readonly temporary: string;
  /** Node's compiled code: of the copy alone, though most of it is not broken. */
  readonly compiled: string;
  readonly #base: string;

  private constructor(base: string) {
    this.#base = base;
    this.root = join(base, 'tree');
    this.temporary = join(base, 'tmp');
    this.compiled = join(base, 'compiled');
  }

  static async copy(): Promise<Tree> {
    const tree = new Tree(await mkdtemp(join(tmpdir(), 'dragon-mutants-')));
    // PostgreSQL runs as another user where the tests run as root.
    await chmod(tree.#base, 0o755);
    await mkdir(tree.temporary);
    await cp(ROOT, tree.root, {
      recursive: true,
      filter: (source) => !LEFT_OUT.has(relative(ROOT, source)),
    });
    await symlink(join(ROOT, 'node_modules'), join(tree.root, 'node_modules'), 'dir');
    return tree;
  }

  /** Breaks the code. The function that is returned mends it. Rejects where there is nothing to break. */
  async apply(mutant: Mutant): Promise<() => Promise<void>> {
    const path = join(this.root, mutant.file);
    const whole = await readFile(path, 'utf8');
    await writeFile(path, mutated(whole, mutant));
    return () => writeFile(path, whole);
  }

  async remove(): Promise<void> {
    // Servers that have just been killed may still be writing.
    await rm(this.#base, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}
