import type { NotedCall } from '../call-journal.ts';
import type { StoredLink, StoredSession } from '../session-store.ts';
import type { EventStamp } from '../stream-log.ts';

interface KeptEvent {
  readonly sequence: number;
  readonly data: string;
  readonly stamp: EventStamp;
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
  /** The last count of each producer, and when it came: milliseconds since the epoch. */
  readonly counts: Map<string, { readonly count: number; readonly at: number }>;
  logLevel: string | undefined;
  /** Milliseconds since the epoch. */
  expiresAt: number;
  /** The last event appended, and the last one that a connection was given. */
  sequence: number;
  delivered: number;
  bytes: number;
  /** Node that holds the connection. */
  holder: string | undefined;
  /** Who took the stream last. */
  taker: { readonly producer: string; readonly nodeId: string } | undefined;
  takes: number;
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
