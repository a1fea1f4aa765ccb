/**
 * Names an event before it has a sequence: who appends it, and a number that rises with each event of that producer. One
 * that is appended again, because the answer got lost, is known by it.
 */
export interface EventStamp {
  /** Another one for each session that a node takes in hand. */
  readonly producer: string;
  /** From 1. */
  readonly count: number;
}

/** One message of a session's standalone stream. */
export interface LoggedEvent {
  /** Rises by one with each event, from 1. */
  readonly sequence: number;
  readonly data: string;
  readonly stamp: EventStamp;
}

/** Where a server's own stream stood with an event: where to go on after a node has died. */
export interface EventOrigin {
  readonly serverId: string;
  /** As the link with the server gave it, which takes it back. */
  readonly position: string;
}

export interface NewEvent {
  readonly stamp: EventStamp;
  /** Undefined where there is nothing to log, and only the origin is noted. */
  readonly data: string | undefined;
  readonly origin?: EventOrigin | undefined;
}

/** What a client was given of one producer beside the log, while that was away: everything up to the count of the stamp. */
export interface Beside extends EventStamp {
  /** Where servers' own streams stood with that, by server id. */
  readonly origins: Readonly<Record<string, string>>;
}

/** What a client has: every event up to a sequence, and what it was given beside the log. */
export interface StreamPlace {
  readonly sequence: number;
  readonly beside?: Beside | undefined;
}

/** Who has a session's stream, as each answer tells. */
export interface Standing {
  /** Changes with each {@link StreamLog.take}, and only ever rises, after a loss of data too. 0: nobody has taken it yet. */
  readonly takes: number;
  /** Whether who asks is the producer that took it last. */
  readonly isTaker: boolean;
}

export interface Appended extends Standing {
  /**
   * `known`: an earlier attempt had arrived, or the client has said that it was given the event. `refused`: it has an
   * origin, and another producer has taken the stream since; that one gets it from the server itself.
   */
  readonly outcome: 'appended' | 'known' | 'refused';
  /** Of the event where it was logged now; else of the last one there is. */
  readonly sequence: number;
  /** The node that holds the client's connection, where one does. */
  readonly holder: string | undefined;
}

export interface Taken extends Standing {
  readonly isTaken: true;
  readonly events: readonly LoggedEvent[];
  /** What the client has now: the place it named, or the last event that some connection was given. Never beyond the last event. */
  readonly delivered: number;
  /** Sequence of the last event there is. */
  readonly last: number;
  /** Whether the same producer had taken it last: nobody else has listened to servers since. */
  readonly isContinued: boolean;
  /** Node of the producer that had taken it last, where that is another node. */
  readonly previous: string | undefined;
  /** The last origin of each server, by server id. */
  readonly origins: Readonly<Record<string, string>>;
}

/** The stream was taken meanwhile, and is not taken now. */
export interface NotTaken extends Standing {
  readonly isTaken: false;
}

export interface Taker {
  readonly nodeId: string;
  readonly producer: string;
  /** {@link Standing.takes} as the taker knows it: a command that comes late, after somebody else's, changes nothing. */
  readonly takes: number;
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
   * Appends an event, once however often it is tried: counts of a producer come in order, and one that is not above the
   * last is known. The origin is stored in the same step: the last one of each server. Rejects with TooLarge, and with
   * SessionNotFound once the session has ended. After Unavailable the event may have been appended, now or later.
   */
  append(sessionId: string, event: NewEvent): Promise<Appended>;
  /**
   * The taker holds the connection from now on, and servers' own streams are for it to listen to. Resolves with events
   * after the client's place; without one, with those after the last that some connection was given. What the place has
   * beside the log of another producer is never logged after this, and servers' streams stand where the place says.
   * Rejects with SessionNotFound once the session has ended.
   */
  take(sessionId: string, taker: Taker, after: StreamPlace | undefined): Promise<Taken | NotTaken>;
  /** Events after a sequence: for a holder that finds a gap, or that could not hear for a while. */
  read(
    sessionId: string,
    producer: string,
    after: number,
  ): Promise<Standing & { readonly events: readonly LoggedEvent[]; readonly last: number }>;
  /** The connection has been given everything up to this sequence. */
  delivered(sessionId: string, sequence: number): Promise<void>;
  /** Nobody holds the connection any more. Does nothing where it has been taken again since that take. */
  leave(sessionId: string, takes: number): Promise<void>;
}
