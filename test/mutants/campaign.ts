import type { Ended } from './ended.ts';
import type { Mutant } from './mutant.ts';
import type { Tree } from './tree.ts';
import { runTrial } from './trial.ts';

export interface Found {
  readonly mutant: Mutant;
  /** A test has failed, for the reason that it is there for. */
  readonly isSeen: boolean;
  /** The test that has failed; else why none has. */
  readonly what: string;
  readonly seconds: number;
}

/** What the tests of a file do while the code is whole. */
interface Whole {
  readonly passed: readonly string[];
  readonly failed: readonly string[];
  readonly seconds: number;
}

const WHOLE_LIMIT_MS = 240_000;

/** Broken code may take so much longer: tests wait for what does not come, and say so themselves. */
const LONGER = 2;
const LONGER_MS = 45_000;

/** Tries mutants out, each by its tests, which have to pass while the code is whole. */
export class Campaign {
  readonly #tree: Tree;
  readonly #mutants: readonly Mutant[];
  /** By file of tests. */
  readonly #whole = new Map<string, Promise<Whole | 'late'>>();

  constructor(tree: Tree, mutants: readonly Mutant[]) {
    this.#tree = tree;
    this.#mutants = mutants;
  }

  async tryOut(mutant: Mutant): Promise<Found> {
    const { test, only } = mutant;
    const pattern = new RegExp(only ?? '');
    const unseen = (what: string, seconds = 0): Found => ({ mutant, isSeen: false, what, seconds });
    const whole = await this.#wholeOf(test);
    if (whole === 'late') return unseen('its tests take too long while the code is whole');
    const bad = whole.failed.find((name) => pattern.test(name));
    if (bad !== undefined) return unseen(`fails while the code is whole: ${bad}`);
    if (!whole.passed.some((name) => pattern.test(name))) return unseen('there is no such test');

    const mend = await this.#tree.apply(mutant);
    const limitMs = LONGER_MS + LONGER * 1000 * whole.seconds;
    const outcome = await runTrial(this.#tree, {
      test,
      only: only === undefined ? [] : [only],
      limitMs,
      until: (ended) => shows(mutant, ended),
    }).finally(mend);
    const { seconds } = outcome;
    const seen = outcome.ended.find((ended) => shows(mutant, ended));
    if (seen !== undefined) return { mutant, isSeen: true, what: seen.name, seconds };
    if (outcome.isLate && mutant.hangs === true)
      return { mutant, isSeen: true, what: `${only ?? 'a test'} takes too long`, seconds };
    if (outcome.isLate) return unseen(`its tests take more than ${Math.round(limitMs / 1000)} s`, seconds);
    const other = outcome.ended.find(({ failure }) => failure !== undefined);
    if (other === undefined) return unseen('every test passes', seconds);
    return unseen(
      `no test of it fails, but ${other.name} (${other.failure}): ${other.message}\n${outcome.output}`,
      seconds,
    );
  }

  /** All tests of a file that some mutant is for, once. */
  #wholeOf(test: string): Promise<Whole | 'late'> {
    const known = this.#whole.get(test);
    if (known !== undefined) return known;
    const patterns = this.#mutants.filter((mutant) => mutant.test === test).map(({ only }) => only);
    const only = patterns.filter((pattern) => pattern !== undefined);
    const running = runTrial(this.#tree, {
      test,
      only: only.length < patterns.length ? [] : [...new Set(only)],
      limitMs: WHOLE_LIMIT_MS,
    }).then(({ ended, isLate, seconds }) => {
      if (isLate) return 'late';
      const tests = ended.filter(({ isSuite }) => !isSuite);
      const names = (isWanted: (one: Ended) => boolean) => tests.filter(isWanted).map(({ name }) => name);
      return {
        passed: names(({ failure }) => failure === undefined),
        failed: names(({ failure }) => failure !== undefined),
        seconds,
      };
    });
    this.#whole.set(test, running);
    return running;
  }
}

/** A gateway that does not come up says nothing of what it is there for. */
const DID_NOT_BEGIN = /^The gateway did not start/;

/**
 * Whether a test has come to its end and found something wrong. That one could not even begin, or that its file could not be
 * loaded, shows nothing of what it is there for.
 */
function shows({ test, hangs }: Mutant, { name, isSuite, failure, message = '' }: Ended): boolean {
  if (isSuite || name.endsWith(test) || DID_NOT_BEGIN.test(message)) return false;
  return failure === 'testCodeFailure' || (hangs === true && failure === 'testTimeoutFailure');
}
