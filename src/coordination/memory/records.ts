import type { CatalogBody, ServerCheck } from '../catalog-store.ts';
import type { Member } from '../members.ts';
import type { RecordedEntry, StoredRecording } from '../recordings.ts';

/** Kept after the lease is over: the next token has to be higher. */
export interface LeaseRecord {
  readonly token: number;
  readonly owner: string | undefined;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export interface MemberRecord {
  readonly member: Member;
  /** Milliseconds since the epoch. */
  readonly aliveUntil: number;
}

export interface CatalogRecord {
  readonly token: number;
  readonly version: number;
  readonly check: ServerCheck;
  readonly body: CatalogBody | 'private' | undefined;
}

/** What a node has of a limit's slots. */
export interface HeldSlots {
  readonly count: number;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** What the hub has of a recording. */
export interface RecordingRecord {
  recording: StoredRecording;
  readonly entries: RecordedEntry[];
  last: number;
}
