/** A check of src/ that is taken out, or a hole that is made, to see a test fail. */
export interface Mutant {
  /** What SECURITY.md promises, and this breaks. */
  readonly promise: string;
  /** What is taken out, in a few words; no two mutants have the same. */
  readonly name: string;
  /** Below the root of the checkout. */
  readonly file: string;
  /** Stands in the file once. */
  readonly find: string;
  readonly replace: string;
  /** The file of the test that has to fail. */
  readonly test: string;
  /** A pattern of the names of tests that are run, what they are in included, as `--test-name-pattern` has it; absent: all of the file. */
  readonly only?: string;
  /** The test waits for what does not come any more: to take too long counts as failing. */
  readonly hangs?: true;
}

/** The text of the mutant's file with what it puts in. Throws where what it looks for is not there exactly once. */
export function mutated(text: string, { name, file, find, replace }: Mutant): string {
  const parts = text.split(find);
  const [before, after] = parts;
  if (before === undefined || after === undefined || parts.length !== 2)
    throw new Error(`${name}: what is to be replaced is ${parts.length - 1} times in ${file}`);
  return before + replace + after;
}
