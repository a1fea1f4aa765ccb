/** One message of a session's standalone stream. */
export interface LoggedEvent {
  /** Rises by one with each event, from 1. */
  readonly sequence: number;
  readonly data: string;
}

/** Which event of a server's own stream a message came from: where to go on after a node has died. */
export interface EventOrigin {
  readonly serverId: string;
  readonly eventId: string;
}

/** How much of one session's stream is kept. The oldest events go first; the newest one always stays. */
export interface StreamLogLimits {
  readonly maxEvents: number;
  /** UTF-8, over all events of a session. */
  readonly maxBytes: number;
  /** UTF-8, of one event. */
  readonly maxEventBytes: number;
  readonly maxAgeMs: number;
}

export const STREAM_LOG_LIMITS: StreamLogLimits = Object.freeze({
  maxEvents: 1000,
  maxBytes: 4 * 1024 * 1024,
  maxEventBytes: 1024 * 1024,
  maxAgeMs: 60 * 60 * 1000,
});

/**
 * What servers and the gateway have to say to a client outside any request, durable first: an event is appended here
 * before anyone sees it, so a client that comes back, to any node, gets what it missed, each event once. Bounded by
 * count, size and age; it ends with the session. Every method rejects with Unavailable while the store is away.
 */
export interface StreamLog {
  /**
   * Resolves with the event's sequence and the node that holds the client's connection, where one does. `origin` is
   * stored in the same step: the last one of each server. Rejects with TooLarge, and with SessionNotFound once the
   * session has ended. After Unavailable the event may have been appended all the same.
   */
  append(
    sessionId: string,
    data: string,
    origin?: EventOrigin,
  ): Promise<{ readonly sequence: number; readonly holder: string | undefined }>;
  /**
   * This node holds the connection from now on; another one that held it before is named so that it can be told. Events
   * after `after`; without it, events after the last that some connection was given. Rejects with SessionNotFound
   * once the session has ended.
   */
  take(
    sessionId: string,
    nodeId: string,
    after: number | undefined,
  ): Promise<{
    readonly events: readonly LoggedEvent[];
    /** What the client has now: `after`, or the last event that some connection was given. Never beyond the last event. */
    readonly delivered: number;
    readonly previous: string | undefined;
    /** The last origin of each server, by server id. */
    readonly origins: Readonly<Record<string, string>>;
  }>;
  /** Events after a sequence: for a holder that finds a gap, or that could not hear for a while. */
  read(sessionId: string, after: number): Promise<readonly LoggedEvent[]>;
  /** The connection has been given everything up to this sequence. */
  delivered(sessionId: string, sequence: number): Promise<void>;
  /** This node no longer holds the connection. Does nothing where another holds it by now. */
  leave(sessionId: string, nodeId: string): Promise<void>;
}
