/** A user whose requests are recorded for a while. JSON all through. */
export interface StoredRecording {
  readonly id: string;
  readonly tenantId: string;
  readonly userId: string;
  /** The user who started it. */
  readonly startedBy: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** As above: when it ends, or when it was stopped. */
  readonly endsAt: number;
}

/** Something recorded. Ids rise in the order in which entries came, by code unit. */
export interface RecordedEntry {
  readonly id: string;
  /** As it was put in. */
  readonly data: string;
}

/** Recordings that there are at most, those that have ended included: beyond, those go first that ended first. */
export const MAX_RECORDINGS = 100;

/** Entries that are kept of a recording, the last ones. */
export const MAX_RECORDED = 2000;

/** Milliseconds for which a recording is kept after its end. */
export const RECORDING_KEPT_MS = 24 * 60 * 60 * 1000;

/** What is recorded, where all nodes can read it. Every method rejects with Unavailable while the store is away. */
export interface RecordingStore {
  /** Stores a recording, or another end of it. */
  put(recording: StoredRecording): Promise<void>;
  /** Of all tenants, the oldest first. What a later version has written is left out. */
  all(): Promise<readonly StoredRecording[]>;
  append(id: string, data: string): Promise<void>;
  /** Entries after the one with this id, the oldest first. */
  read(id: string, after: string | undefined, limit: number): Promise<readonly RecordedEntry[]>;
}
