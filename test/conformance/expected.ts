import { readFile } from 'node:fs/promises';
import type { Era } from '../fixture/server.ts';
import type { SuiteName } from './suite.ts';

/** A scenario that no server of that era can pass. */
export interface Impossible {
  readonly scenario: string;
  /** The checks of it that fail, all of them. */
  readonly checks: readonly string[];
  /** For people: what it is that the era lacks. */
  readonly reason: string;
}

/** Scenarios of one suite, spoken in one revision, that have to pass. */
export interface Expected {
  readonly suite: SuiteName;
  readonly revision: string;
  /** The era of the server, where that is another than the revision's. */
  readonly over?: Era;
  readonly scenarios: readonly string[];
  /** Those of the scenarios that do not pass, and have to fail in just that way. */
  readonly impossible?: readonly Impossible[];
  /** More of them, which the suite runs for a later revision only, or for none, and which are made to speak this one. */
  readonly forced?: readonly string[];
}

export interface AllExpected {
  /** Directly against the fixture and through the gateway. */
  readonly server: readonly Expected[];
  /** With the gateway as the client. */
  readonly client: readonly Expected[];
}

/** In the file, an entry with `over` has the scenarios of the entry that is like it otherwise. */
type Written = Omit<Expected, 'scenarios'> & { readonly scenarios?: readonly string[] };

export async function allExpected(): Promise<AllExpected> {
  const text = await readFile(new URL('./expected.json', import.meta.url), 'utf8');
  const { server, client }: { server: Written[]; client: Expected[] } = JSON.parse(text);
  const scenariosOf = ({ suite, revision }: Written) =>
    server.find((each) => each.suite === suite && each.revision === revision && each.over === undefined)
      ?.scenarios ?? [];
  return { server: server.map((each) => ({ scenarios: scenariosOf(each), ...each })), client };
}
