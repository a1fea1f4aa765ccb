import { spawn } from 'node:child_process';
import type { Mutant } from './mutant.ts';
import type { Tree } from './tree.ts';

/** Checks are taken out: what only they have used is left. */
const COMPILER = [
  'node_modules/typescript/bin/tsc',
  '--noEmit',
  '-p',
  '.',
  '--noUnusedLocals',
  'false',
  '--noUnusedParameters',
  'false',
];

/**
 * What the compiler says of broken code, '' where it says nothing: a test that fails since the code is nonsense shows nothing. Many
 * are looked at together, as far as they are not about the same text.
 */
export async function typeErrors(tree: Tree, mutants: readonly Mutant[]): Promise<string> {
  let rest = mutants;
  let errors = '';
  while (rest.length > 0) {
    const later: Mutant[] = [];
    const mends: (() => Promise<void>)[] = [];
    for (const mutant of rest) {
      const mend = await tree.apply(mutant).catch(() => undefined);
      if (mend === undefined) later.push(mutant);
      else mends.push(mend);
    }
    errors += await compile(tree.root);
    for (const mend of mends.reverse()) await mend();
    if (later.length === rest.length) throw new Error(`${later[0]?.name} is not to be found`);
    rest = later;
  }
  return errors;
}

function compile(cwd: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, COMPILER, { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.once('error', reject).once('close', (code) => resolve(code === 0 ? '' : output));
  });
}
