import { randomUUID } from 'node:crypto';
import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { Code, GatewayError } from '../protocol/errors.ts';
import { hasCode } from './errors.ts';

/** Three beats: one that is late on a busy machine takes nothing away from its holder. */
const BEAT_MS = 10_000;
const FOREIGN_STALE_MS = 3 * BEAT_MS;

/** A file without its content yet, or a takeover: neither takes longer than this. */
const WRITING_MS = 5_000;

const ATTEMPTS = 5;

/** How long a start waits for somebody who only looks, and between two looks whether they are done. */
const LOOK_MS = 30_000;
const LOOK_PAUSE_MS = 100;

const holderSchema = z.object({
  pid: z.number().int().positive(),
  host: z.string(),
  /** When the process started, in clock ticks since boot; tells a process from a later one with its id. */
  startedTicks: z.string().optional(),
  token: z.string(),
  /** Only looks, and is soon done. */
  looks: z.literal(true).optional(),
});
type Holder = z.infer<typeof holderSchema>;

export interface DataLock {
  release(): Promise<void>;
}

/**
 * Takes the data folder for this process: an embedded database opened twice is destroyed. A lock outlives `kill -9`
 * and is then recognised as stale: on this host by the process, and on another (a container that is gone, whose
 * volume is used again) by the file's time, which the holder renews. FailedPrecondition: another gateway has it.
 * `use`: who only looks is waited for by a gateway that starts.
 */
export async function lockDataFolder(dataDir: string, use: 'own' | 'look' = 'own'): Promise<DataLock> {
  const file = join(dataDir, 'lock');
  const started = await startedTicks(process.pid);
  const holder: Holder = {
    pid: process.pid,
    host: hostname(),
    ...(started === undefined ? {} : { startedTicks: started }),
    token: randomUUID(),
    ...(use === 'look' ? { looks: true } : {}),
  };
  const content = JSON.stringify(holder);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    await untilLookedAt(file);
    if (await create(file, content)) return hold(file, content);
    await takeOver(file, dataDir);
  }
  throw new GatewayError(Code.FailedPrecondition, inUse(dataDir, undefined));
}

/** Who holds the folder now; undefined where nobody does. Takes nothing, and changes nothing. */
export async function holderOf(dataDir: string): Promise<string | undefined> {
  const file = join(dataDir, 'lock');
  const text = await readText(file);
  const ageMs = await age(file);
  if (text === undefined || ageMs === undefined) return undefined;
  const holder = parseHolder(text);
  if (holder === undefined) return ageMs < WRITING_MS ? 'another process' : undefined;
  if (!(await isHeld(holder, ageMs))) return undefined;
  return holder.host === hostname() ? `process ${holder.pid}` : `process ${holder.pid} on ${holder.host}`;
}

async function untilLookedAt(file: string): Promise<void> {
  const end = performance.now() + LOOK_MS;
  while (performance.now() < end) {
    const [text, ageMs] = [await readText(file), await age(file)];
    const holder = parseHolder(text ?? '');
    if (holder?.looks !== true || ageMs === undefined || !(await isHeld(holder, ageMs))) return;
    await delay(LOOK_PAUSE_MS);
  }
}

/** Makes the file, unless there is one. */
async function create(file: string, content: string): Promise<boolean> {
  try {
    await writeFile(file, content, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

function hold(file: string, content: string): DataLock {
  const beat = setInterval(() => {
    const now = new Date();
    // A folder that went away is the database's trouble; it is reported there.
    utimes(file, now, now).catch(() => undefined);
  }, BEAT_MS);
  beat.unref();
  return {
    async release() {
      clearInterval(beat);
      if ((await readText(file)) === content) await rm(file, { force: true });
    },
  };
}

/**
 * Returns when the lock is free; throws when it is held. A second lock is around judging and removing, or else of two
 * that judge a lock stale, the slower one would remove the new lock of the faster.
 */
async function takeOver(file: string, dataDir: string): Promise<void> {
  const guard = `${file}.takeover`;
  if (!(await create(guard, ''))) {
    const guardAgeMs = await age(guard);
    if (guardAgeMs !== undefined && guardAgeMs < WRITING_MS) {
      throw new GatewayError(Code.FailedPrecondition, inUse(dataDir, undefined));
    }
    await rm(guard, { force: true });
    return;
  }
  try {
    const text = await readText(file);
    const ageMs = await age(file);
    if (text === undefined || ageMs === undefined) return;
    const holder = parseHolder(text);
    if (holder === undefined ? ageMs < WRITING_MS : await isHeld(holder, ageMs)) {
      throw new GatewayError(Code.FailedPrecondition, inUse(dataDir, holder));
    }
    await rm(file, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}

async function isHeld(holder: Holder, ageMs: number): Promise<boolean> {
  if (holder.host !== hostname()) return ageMs < FOREIGN_STALE_MS;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    // EPERM: there is such a process, and it is another user's.
    if (!hasCode(error, 'EPERM')) return false;
  }
  return holder.startedTicks === undefined || holder.startedTicks === (await startedTicks(holder.pid));
}

function inUse(dataDir: string, holder: Holder | undefined): string {
  const other = `Another gateway uses ${dataDir}`;
  const advice = 'Stop it, or give this one a folder of its own with DRAGON_DATA_DIR';
  if (holder === undefined) return `${other}. ${advice}`;
  if (holder.host === hostname()) return `${other}: process ${holder.pid}. ${advice}`;
  const wait = `If it is gone, start again in ${FOREIGN_STALE_MS / 1000} seconds`;
  return `${other}: process ${holder.pid} on ${holder.host}. ${advice}. ${wait}`;
}

/** Field 22 of /proc/<pid>/stat; undefined where there is no /proc or no such process. */
async function startedTicks(pid: number): Promise<string | undefined> {
  const line = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name in field 2 is in parentheses and may hold anything; the fields after it are counted from its end.
  return line.slice(line.lastIndexOf(')') + 2).split(' ')[19];
}

function parseHolder(text: string): Holder | undefined {
  try {
    return holderSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

async function readText(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch((error: unknown) => absent(error));
}

async function age(file: string): Promise<number | undefined> {
  const found = await stat(file).catch((error: unknown) => absent(error));
  return found === undefined ? undefined : Date.now() - found.mtimeMs;
}

function absent(error: unknown): undefined {
  if (hasCode(error, 'ENOENT')) return undefined;
  throw error;
}
