import { z } from 'zod';
import {
  type CallChanges,
  type CallJournal,
  MAX_SESSION_CALLS,
  type NotedCall,
  type Succession,
} from '../call-journal.ts';
import type { Keys } from '../keys.ts';
import type { Commands } from './commands.ts';
import { asArray, asOptionalString, asString } from './replies.ts';

/** Rises when older nodes could not make sense of a record; they then run nothing again. */
const RECORD_VERSION = 1;

const CallRecord = z.object({
  v: z.literal(RECORD_VERSION),
  serverId: z.string(),
  request: z.string(),
  isSecondRun: z.literal(true).exactOptional(),
});

/** One hash for each session, beside its record: that is read whole where a node takes the session in hand. */
export class RedisCallJournal implements CallJournal {
  readonly #commands: Commands;
  readonly #keys: Keys;

  constructor(commands: Commands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
  }

  async write(sessionId: string, { noted, over }: CallChanges, ttlMs: number): Promise<void> {
    const records = [...noted].flatMap(([streamId, call]) => [callField(streamId), writeCall(call)]);
    const args = [ttlMs, MAX_SESSION_CALLS, noted.size, ...records, ...over.map(callField)];
    await this.#commands.run('writeCalls-2', this.#both(sessionId), args);
  }

  async takeOver(
    sessionId: string,
    streamId: string,
    successor: string,
    resumable: boolean,
    ttlMs: number,
  ): Promise<Succession | undefined> {
    const fields = [nextField(streamId), successor, callField(streamId), callField(successor)];
    const args = [...fields, resumable ? 1 : 0, ttlMs, MAX_SESSION_CALLS];
    const reply = await this.#commands.run('takeOverCall-2', this.#both(sessionId), args);
    if (reply === null) return undefined;
    const [inForce, record] = asArray(reply);
    const text = asOptionalString(record);
    return { successor: asString(inForce), call: text === undefined ? undefined : readCall(text) };
  }

  #both(sessionId: string): [string, string] {
    return [this.#keys.session(sessionId), this.#keys.calls(sessionId)];
  }
}

function callField(streamId: string): string {
  return `call:${streamId}`;
}

function nextField(streamId: string): string {
  return `next:${streamId}`;
}

function writeCall(call: NotedCall): string {
  return JSON.stringify({ v: RECORD_VERSION, ...call });
}

/** Undefined for what a later version has written. */
function readCall(text: string): NotedCall | undefined {
  const record = CallRecord.safeParse(JSON.parse(text)).data;
  if (record === undefined) return undefined;
  const { v: _, ...call } = record;
  return call;
}
