/** A test or suite that has ended, as the reporter says it to who runs the tests. */
export interface Ended {
  /** With the names of what it is in. */
  readonly name: string;
  readonly isSuite: boolean;
  /** Node's `failureType`; absent where it has passed. */
  readonly failure?: string;
  readonly message?: string;
}

/** Undefined for what is no line of the reporter's. */
export function readEnded(line: string): Ended | undefined {
  if (!line.startsWith('{"name":')) return undefined;
  try {
    return JSON.parse(line) as Ended;
  } catch {
    return undefined;
  }
}
