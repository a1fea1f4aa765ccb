/** What an event is about. */
export type EventType = 'call' | 'session' | 'login' | 'key' | 'management' | 'server' | 'node' | 'denial';

/**
 * How it ended. `tool_error`: an answer with `isError`; `protocol_error`: a JSON-RPC error, or no answer for another reason
 * than time; `denied`: the caller may not; `error`: of what is no call.
 */
export type EventOutcome =
  | 'ok'
  | 'tool_error'
  | 'protocol_error'
  | 'timeout'
  | 'cancelled'
  | 'denied'
  | 'error';

/** Details beside the columns: few, short, and never a secret. */
export type EventDetail = Readonly<Record<string, string | number | boolean>>;

/** Something that has happened. Names and ids are told as they were then. */
export interface EventFields {
  readonly type: EventType;
  /** What was done: the MCP method of a call, the name of a management call, `opened`, `revoked` and the like. */
  readonly action: string;
  readonly tenantId: string;
  /** Absent: nobody's in particular, for the admins of the tenant. */
  readonly userId?: string | undefined;
  readonly outcome: EventOutcome;
  /** Name of the downstream server. */
  readonly server?: string | undefined;
  /** Of a call: the server's own name of the tool or prompt, or the resource's URI; else the name that the client used. */
  readonly tool?: string | undefined;
  /** A digest of the session's id, which tells sessions apart and is none. */
  readonly session?: string | undefined;
  readonly durationMs?: number | undefined;
  readonly requestBytes?: number | undefined;
  readonly answerBytes?: number | undefined;
  readonly detail?: EventDetail | undefined;
  /** Arguments of a call: what is kept of them is the configuration's to say. */
  readonly args?: unknown;
}

/** An event as it is kept. */
export interface StoredEvent {
  /** A UUID of version 7. */
  readonly id: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly tenantId: string;
  readonly userId?: string | undefined;
  readonly type: EventType;
  readonly action: string;
  readonly outcome: EventOutcome;
  readonly server?: string | undefined;
  readonly tool?: string | undefined;
  readonly session?: string | undefined;
  /** The node where it happened. */
  readonly node: string;
  /** Microseconds. */
  readonly durationUs?: number | undefined;
  readonly requestBytes?: number | undefined;
  readonly answerBytes?: number | undefined;
  /** A JSON object as text. */
  readonly detail?: string | undefined;
}

/** Where whatever happens is told. What it costs the caller is an object in a list: nothing waits, and nothing fails. */
export interface EventLog {
  append(event: EventFields): void;
  /**
   * Runs what tells a client of the end of its call, once the event of it outlives this process: at once where nothing else
   * is promised. Never later than this turn of the event loop.
   */
  answered(tell: () => void): void;
  /** Whether arguments of calls are of use to it. */
  readonly wantsArguments: boolean;
}

/** Keeps nothing. */
export const NO_EVENTS: EventLog = {
  append: () => undefined,
  answered: (tell) => tell(),
  wantsArguments: false,
};
