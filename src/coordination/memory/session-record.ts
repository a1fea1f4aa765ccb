import type { NotedCall } from '../call-journal.ts';
import { markOf } from '../session-mark.ts';
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

type Counts = Map<string, { readonly count: number; readonly at: number }>;

/** What the store has of one session. Most never have more than they began with: what can be empty is made when it is used. */
export class SessionRecord {
  readonly id: string;
  readonly tenantId: string;
  readonly userId: string;
  /** Milliseconds since the epoch. */
  expiresAt: number;
  logLevel: string | undefined;
  /** The last event appended, and the last one that a connection was given. */
  sequence = 0;
  delivered = 0;
  bytes = 0;
  /** Node that holds the connection. */
  holder: string | undefined;
  /** Who took the stream last. */
  taker: { readonly producer: string; readonly nodeId: string } | undefined;
  takes = 0;
  nodes: readonly string[];
  readonly #session: string;
  #links: Map<string, StoredLink> | undefined;
  #subscriptions: Map<string, Set<string>> | undefined;
  #origins: Map<string, string> | undefined;
  #events: KeptEvent[] | undefined;
  #calls: CallRecords | undefined;
  #counts: Counts | undefined;
  #mark: string | undefined;

  constructor(session: StoredSession, nodeId: string, expiresAt: number) {
    this.id = session.id;
    this.tenantId = session.tenantId;
    this.userId = session.userId;
    // As text, so that only that survives here which survives in Redis.
    this.#session = JSON.stringify(session);
    this.nodes = [nodeId];
    this.expiresAt = expiresAt;
  }

  get session(): StoredSession {
    return JSON.parse(this.#session);
  }

  get mark(): string {
    this.#mark ??= markOf(this.id);
    return this.#mark;
  }

  get links(): Map<string, StoredLink> {
    this.#links ??= new Map();
    return this.#links;
  }

  get subscriptions(): Map<string, Set<string>> {
    this.#subscriptions ??= new Map();
    return this.#subscriptions;
  }

  /** The last origin of an event, by server id. */
  get origins(): Map<string, string> {
    this.#origins ??= new Map();
    return this.#origins;
  }

  get events(): KeptEvent[] {
    this.#events ??= [];
    return this.#events;
  }

  get calls(): CallRecords {
    this.#calls ??= noCalls();
    return this.#calls;
  }

  set calls(calls: CallRecords) {
    this.#calls = calls;
  }

  /** The last count of each producer, and when it came: milliseconds since the epoch. */
  get counts(): Counts {
    this.#counts ??= new Map();
    return this.#counts;
  }
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
