import { type CallChanges, type CallJournal, MAX_SESSION_CALLS, type Succession } from '../call-journal.ts';
import type { MemoryHub } from './hub.ts';
import { type CallRecords, noCalls } from './session-record.ts';

export class MemoryCallJournal implements CallJournal {
  readonly #hub: MemoryHub;

  constructor(hub: MemoryHub) {
    this.#hub = hub;
  }

  async write(sessionId: string, { noted, over }: CallChanges, ttlMs: number): Promise<void> {
    const records = this.#of(sessionId);
    if (records === undefined) return;
    for (const streamId of over) records.noted.delete(streamId);
    for (const [streamId, call] of noted) {
      if (size(records) >= MAX_SESSION_CALLS) return;
      records.noted.set(streamId, { ...call });
      keep(records, ttlMs);
    }
  }

  async takeOver(
    sessionId: string,
    streamId: string,
    successor: string,
    resumable: boolean,
    ttlMs: number,
  ): Promise<Succession | undefined> {
    const records = this.#of(sessionId);
    if (records === undefined) return undefined;
    const before = records.successors.get(streamId);
    if (before !== undefined) return { successor: before, call: undefined };
    const call = records.noted.get(streamId);
    if (call === undefined && (!resumable || size(records) >= MAX_SESSION_CALLS)) return undefined;
    records.successors.set(streamId, successor);
    if (call !== undefined) {
      records.noted.delete(streamId);
      records.noted.set(successor, call);
    }
    keep(records, ttlMs);
    return { successor, call };
  }

  #of(sessionId: string): CallRecords | undefined {
    const session = this.#hub.session(sessionId);
    if (session !== undefined && session.calls.expiresAt <= Date.now()) session.calls = noCalls();
    return session?.calls;
  }
}

function size({ noted, successors }: CallRecords): number {
  return noted.size + successors.size;
}

function keep(records: CallRecords, ttlMs: number): void {
  const isFirst = records.expiresAt === Number.POSITIVE_INFINITY;
  const expiresAt = Date.now() + ttlMs;
  records.expiresAt = isFirst ? expiresAt : Math.max(records.expiresAt, expiresAt);
}
