import { readFile } from 'node:fs/promises';

/** Revision → scenarios that have to pass through the gateway. */
export async function expectedScenarios(): Promise<Readonly<Record<string, readonly string[]>>> {
  return JSON.parse(await readFile(new URL('./expected.json', import.meta.url), 'utf8'));
}
