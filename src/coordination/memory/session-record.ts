import type { NotedCall } from '../call-journal.ts';
import type { StoredLink, StoredSession } from '../session-store.ts';

interface KeptEvent {
  readonly sequence: number;
  readonly data: string;
  readonly bytes: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

export interface SessionRecord {
  readonly id: string;
  readonly session: StoredSession;
  readonly nodes: Set<string>;
  readonly links: Map<string, StoredLink>;
  readonly subscriptions: Map<string, Set<string>>;
  /** The last origin of an event, by server id. */
  readonly origins: Map<string, string>;
  readonly events: KeptEvent[];
  calls: CallRecords;
  logLevel: string | undefined;
  /** Milliseconds since the epoch. */
  expiresAt: number;
  /** The last event appended, and the last one that a connection was given. */
  sequence: number;
  delivered: number;
  bytes: number;
  holder: string | undefined;
}

/** What is left of the calls of one session. */
export interface CallRecords {
  readonly noted: Map<string, NotedCall>;
  readonly successors: Map<string, string>;
  /** Milliseconds since the epoch. */
  expiresAt: number;
}

export function noCalls(): CallRecords {
  return { noted: new Map(), successors: new Map(), expiresAt: Number.POSITIVE_INFINITY };
}
