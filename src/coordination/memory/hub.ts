import type { StoredCheck } from '../catalog-store.ts';
import type { TokenBucket } from '../token-bucket.ts';
import { ExpiringMap } from './expiring.ts';
import type { CatalogRecord, HeldSlots, LeaseRecord, MemberRecord, RecordingRecord } from './records.ts';
import type { SessionRecord } from './session-record.ts';

/** Takes what is on a node's channel: JSON, as on a wire. */
export type Receiver = (json: string, from: string) => void;

/** What the nodes of one process share: one hub is one cluster. */
export class MemoryHub {
  readonly receivers = new Map<string, Receiver>();
  readonly leases = new Map<string, LeaseRecord>();
  readonly members = new Map<string, MemberRecord>();
  readonly catalogs = new ExpiringMap<CatalogRecord>();
  /** The last check of each server. */
  readonly checks = new ExpiringMap<StoredCheck>();
  readonly buckets = new ExpiringMap<TokenBucket>();
  /** By bucket, and then by node. */
  readonly slots = new ExpiringMap<Map<string, HeldSlots>>();
  readonly recordings = new Map<string, RecordingRecord>();
  readonly #sessions = new Map<string, SessionRecord>();
  #sweptAt = 0;

  /** The session, unless its time has run out. */
  session(id: string): SessionRecord | undefined {
    const record = this.#sessions.get(id);
    if (record === undefined || record.expiresAt > Date.now()) return record;
    this.#sessions.delete(id);
    return undefined;
  }

  addSession(record: SessionRecord): void {
    this.#sweep();
    this.#sessions.set(record.id, record);
  }

  deleteSession(id: string): void {
    this.#sessions.delete(id);
  }

  /** All sessions whose time has not run out. */
  *sessions(): Iterable<SessionRecord> {
    const now = Date.now();
    for (const record of this.#sessions.values()) if (record.expiresAt > now) yield record;
  }

  /** Sessions whose time has run out but for so many milliseconds, and not altogether; the first to end first. */
  overdueSessions(withinMs: number): SessionRecord[] {
    const now = Date.now();
    return [...this.#sessions.values()]
      .filter(({ expiresAt }) => expiresAt > now && expiresAt <= now + withinMs)
      .sort((a, b) => a.expiresAt - b.expiresAt);
  }

  /** New sessions pay for old ones, so nothing has to run while nothing happens. */
  #sweep(): void {
    const now = Date.now();
    if (now - this.#sweptAt < 10_000) return;
    this.#sweptAt = now;
    for (const [id, record] of this.#sessions) if (record.expiresAt <= now) this.#sessions.delete(id);
  }
}
