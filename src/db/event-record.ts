import type { EventOutcome, EventType, StoredEvent } from '../events/event.ts';

/** Which events are asked for; what is absent excludes none. */
export interface EventFilter {
  readonly tenantId: string;
  /** Of this user alone. */
  readonly userId?: string;
  readonly type?: EventType;
  readonly server?: string;
  readonly tool?: string;
  readonly outcome?: EventOutcome;
  /** Milliseconds since the epoch: from here on, and before there. */
  readonly since?: number;
  readonly until?: number;
}

export interface EventPage {
  /** The newest first. */
  readonly items: readonly StoredEvent[];
  /** Opaque; absent on the last page. */
  readonly nextPageToken?: string;
}

/** What was stored after an event. */
export interface LaterEvents {
  /** In the order in which they were stored. */
  readonly items: readonly StoredEvent[];
  /** Of the last event that was looked at. */
  readonly ordinal: number;
}

/** What is wrong with a row of a chain: its contents; it is missing; or it does not belong there. */
export type ChainFault = 'edited' | 'removed' | 'inserted';

/** What a look at all events of a tenant has found. */
export interface Verification {
  /** Events that were looked at, in order, up to the first bad one. */
  readonly checked: number;
  /** The number and the hash of the last event: whoever keeps them can tell later that nothing before it has changed. */
  readonly ordinal: number;
  readonly hash: string;
  readonly bad?: {
    readonly fault: ChainFault;
    readonly ordinal: number;
    /** Of the row; absent where it is missing. */
    readonly id?: string;
    readonly time?: number;
  };
}

/** Events as stored. A tenant's are never seen in another. Rejects with Unavailable while the database is away. */
export interface EventStore {
  /** Stores those that are not stored yet, in this order. Resolves with how many. */
  store(events: readonly StoredEvent[]): Promise<number>;
  page(filter: EventFilter, pageSize: number, pageToken: string | undefined): Promise<EventPage>;
  /** The number of a tenant's last event; 0: there is none. */
  last(tenantId: string): Promise<number>;
  after(filter: EventFilter, ordinal: number, limit: number): Promise<LaterEvents>;
  verify(tenantId: string): Promise<Verification>;
  /** Makes room for what comes until then, and drops what is older. Milliseconds since the epoch. Resolves with how many parts were dropped. */
  maintain(oldest: number, until: number): Promise<number>;
}
