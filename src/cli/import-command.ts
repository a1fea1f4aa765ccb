import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { refusalOf } from './errors.ts';
import { ExitCode, usageError } from './exit.ts';
import { type ImportEntry, readServersFile } from './import-file.ts';
import { type GlobalOptions, type Io, print } from './io.ts';
import type { Management } from './management.ts';
import { createRequest } from './new-server.ts';
import { table } from './table.ts';

/** What became of a server of the file. */
interface Outcome {
  /** Its name in the file. */
  readonly name: string;
  readonly added: boolean;
  /** Its name here where it was added, the reason where not. */
  readonly detail: string;
}

/** Adds what can be added and goes on past what can't. Exit code 1 where anything couldn't. */
export async function importServers(io: Io, options: GlobalOptions, management: Management, file: string) {
  const entries = readServersFile(await textOf(io, file), { env: io.env, home: homedir() });
  if (entries.length === 0) io.err('The file has no servers in it.\n');
  const outcomes: Outcome[] = [];
  for (const entry of entries) outcomes.push(await add(management, entry));

  const json = {
    added: outcomes.filter(({ added }) => added).map(({ name, detail }) => ({ name: detail, from: name })),
    notAdded: outcomes
      .filter(({ added }) => !added)
      .map(({ name, detail }) => ({ from: name, reason: detail })),
  };
  print(io, options, json, () => outcomeTable(outcomes));
  return outcomes.every(({ added }) => added) ? ExitCode.Ok : ExitCode.Failed;
}

async function add(management: Management, entry: ImportEntry): Promise<Outcome> {
  if ('reason' in entry) return { name: entry.name, added: false, detail: entry.reason };
  try {
    await management.createMcpServer(createRequest(entry.server));
    return { name: entry.name, added: true, detail: entry.server.name };
  } catch (error) {
    const reason = refusalOf(error);
    if (reason === undefined) throw error;
    return { name: entry.name, added: false, detail: reason };
  }
}

function outcomeTable(outcomes: readonly Outcome[]): string {
  if (outcomes.length === 0) return '';
  return table(
    ['server', 'result', ''],
    outcomes.map(({ name, added, detail }) => [
      name,
      added ? 'added' : 'not added',
      added && detail === name ? '' : added ? `as ${detail}` : detail,
    ]),
  );
}

async function textOf(io: Io, file: string): Promise<string> {
  if (file === '-') return io.readInput();
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw usageError(`${file} cannot be read: ${error.message}`);
  }
}
