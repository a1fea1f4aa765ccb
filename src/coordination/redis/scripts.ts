import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** Files of `scripts/`; the number is how many keys each takes. */
const FILES = [
  'acquireLease-2',
  'appendEvent-2',
  'appendRecorded-1',
  'beat-2',
  'claimLink-1',
  'createSession-1',
  'deleteSession-3',
  'describeSession-1',
  'doneEvents-1',
  'holdSlots-1',
  'indexSessions-2',
  'isAlive-1',
  'keepCatalog-2',
  'leave-1',
  'leaveStream-1',
  'listMembers-2',
  'loadSession-1',
  'markDelivered-1',
  'noteCheck-1',
  'overdueSessions-1',
  'putRecording-1',
  'readCatalog-1',
  'readEvents-1',
  'readStream-2',
  'releaseLease-1',
  'renewLease-1',
  'retireSession-3',
  'setSessionField-1',
  'takeOverCall-2',
  'takeStream-2',
  'takeTokens-1',
  'unloadSession-1',
  'writeCalls-2',
  'writeCatalog-2',
] as const;

export type ScriptFile = (typeof FILES)[number];

export interface Script {
  readonly source: string;
  readonly sha1: string;
}

/** Reads all scripts, by file name without `.lua`. */
export function loadScripts(): ReadonlyMap<ScriptFile, Script> {
  return new Map(FILES.map((file) => [file, load(file)]));
}

function load(file: ScriptFile): Script {
  const source = readFileSync(new URL(`scripts/${file}.lua`, import.meta.url), 'utf8');
  return { source, sha1: createHash('sha1').update(source).digest('hex') };
}
