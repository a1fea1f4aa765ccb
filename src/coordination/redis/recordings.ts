import { z } from 'zod';
import type { Keys } from '../keys.ts';
import {
  MAX_RECORDED,
  MAX_RECORDINGS,
  RECORDING_KEPT_MS,
  type RecordedEntry,
  type RecordingStore,
  type StoredRecording,
} from '../recordings.ts';
import type { Commands } from './commands.ts';
import { asArray, asPairs, asString } from './replies.ts';

const RECORD_VERSION = 1;

const Recording = z.object({
  v: z.literal(RECORD_VERSION),
  id: z.string(),
  tenantId: z.string(),
  userId: z.string(),
  startedBy: z.string(),
  startedAt: z.number(),
  endsAt: z.number(),
});

/** One hash of all recordings, and a stream for each. */
export class RedisRecordings implements RecordingStore {
  readonly #commands: Commands;
  readonly #keys: Keys;

  constructor(commands: Commands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
  }

  async put(recording: StoredRecording): Promise<void> {
    const others = (await this.#read()).filter(({ id }) => id !== recording.id);
    const isOver = ({ endsAt }: StoredRecording) => endsAt + RECORDING_KEPT_MS <= Date.now();
    const kept = others.filter((other) => !isOver(other)).sort((a, b) => a.endsAt - b.endsAt);
    const forgotten = [
      ...others.filter(isOver),
      ...kept.slice(0, Math.max(0, kept.length + 1 - MAX_RECORDINGS)),
    ];
    const keptMs = Math.max(0, recording.endsAt - Date.now()) + RECORDING_KEPT_MS;
    const text = JSON.stringify({ v: RECORD_VERSION, ...recording });
    const args = [recording.id, text, keptMs, ...forgotten.map(({ id }) => id)];
    await this.#commands.run('putRecording-1', [this.#keys.recordings], args);
  }

  async all(): Promise<readonly StoredRecording[]> {
    const found = await this.#read();
    return found
      .filter(({ endsAt }) => endsAt + RECORDING_KEPT_MS > Date.now())
      .sort((a, b) => a.startedAt - b.startedAt);
  }

  async append(id: string, data: string): Promise<void> {
    const args = [data, MAX_RECORDED, RECORDING_KEPT_MS];
    await this.#commands.run('appendRecorded-1', [this.#keys.recorded(id)], args);
  }

  async read(id: string, after: string | undefined, limit: number): Promise<readonly RecordedEntry[]> {
    const from = after === undefined ? '-' : `(${streamId(after)}`;
    const key = this.#keys.recorded(id);
    const reply = await this.#commands.command('XRANGE', key, from, '+', 'COUNT', limit);
    return asArray(reply).map((entry) => {
      const [at, fields] = asArray(entry);
      return { id: sortable(asString(at)), data: asString(asArray(fields)[1]) };
    });
  }

  async #read(): Promise<StoredRecording[]> {
    const pairs = asPairs(await this.#commands.command('HGETALL', this.#keys.recordings));
    return pairs.flatMap(([, text]) => {
      const { data } = Recording.safeParse(JSON.parse(text));
      if (data === undefined) return [];
      const { v: _, ...recording } = data;
      return [recording];
    });
  }
}

const DIGITS = 16;

/** `1700000000000-0`, each part with the same number of digits. */
function sortable(id: string): string {
  return id
    .split('-')
    .map((part) => part.padStart(DIGITS, '0'))
    .join('-');
}

/** Zero where it is none of ours: from the start. */
function streamId(id: string): string {
  const [, time, sequence] = /^(\d{16})-(\d{16})$/.exec(id) ?? [];
  return `${Number(time ?? 0)}-${Number(sequence ?? 0)}`;
}
