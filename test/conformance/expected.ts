import { readFile } from 'node:fs/promises';
import type { SuiteName } from './suite.ts';

/** Scenarios of one suite, spoken in one revision, that have to pass. */
export interface Expected {
  readonly suite: SuiteName;
  readonly revision: string;
  readonly scenarios: readonly string[];
  /** More of them, which the suite runs for a later revision only, and which are made to speak this one. */
  readonly forced?: readonly string[];
}

export interface AllExpected {
  /** Directly against the fixture and through the gateway. */
  readonly server: readonly Expected[];
  /** With the gateway as the client. */
  readonly client: readonly Expected[];
}

export async function allExpected(): Promise<AllExpected> {
  return JSON.parse(await readFile(new URL('./expected.json', import.meta.url), 'utf8'));
}
