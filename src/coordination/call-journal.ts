/** A call that may be run again where its node dies, because its tool says so, or because it only reads. */
export interface NotedCall {
  readonly serverId: string;
  /** The client's request, JSON-RPC text. */
  readonly request: string;
  /** A node that took it over has run it again: there is nothing to resume. */
  readonly isSecondRun?: true;
}

export interface CallChanges {
  /** By the id of the stream that the client comes back for. */
  readonly noted: ReadonlyMap<string, NotedCall>;
  /** Streams whose calls are over. */
  readonly over: readonly string[];
}

/** Who goes on with a stream, and with what. */
export interface Succession {
  /** The stream that goes on: the one that was offered, or that of a node that was faster. */
  readonly successor: string;
  /** The call, for the one node that takes it over; it is noted under the successor from then on. */
  readonly call: NotedCall | undefined;
}

/** Streams of one session that have a successor, and calls that are noted, at most: a client can make up ids of streams. */
export const MAX_SESSION_CALLS = 1000;

/**
 * Calls under way that any node can run again, and which stream goes on in the place of one whose node is gone. Entries
 * end with the session, at the latest `ttlMs` after the last one that was made. Every method rejects with Unavailable
 * while the store is away.
 */
export interface CallJournal {
  /** Notes nothing for a session that has ended, and no more than {@link MAX_SESSION_CALLS}. */
  write(sessionId: string, changes: CallChanges, ttlMs: number): Promise<void>;
  /**
   * Claims what a node has left, for one that asks first: later ones are told who that was. Undefined where there is
   * nothing to go on with (no noted call, and not `resumable` either), and for a session that has ended.
   */
  takeOver(
    sessionId: string,
    streamId: string,
    successor: string,
    resumable: boolean,
    ttlMs: number,
  ): Promise<Succession | undefined>;
}
