export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Facts beside the message. What is secret by its name is masked at any depth; an `Error` shows its cause. */
export type LogFields = Readonly<Record<string, unknown>>;

/** What the rest of the code logs with. Messages are short and constant; what varies goes into the fields. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** Whether a line of this level would be written: to skip the work of gathering fields. */
  enabled(level: Exclude<LogLevel, 'silent'>): boolean;
  /** A logger that adds these fields to each line. */
  child(fields: LogFields): Logger;
}

/** What is said of a span. What is undefined is left out. */
export type SpanAttributes = Readonly<Record<string, string | number | undefined>>;

/** Something that takes time, in a trace that is recorded. */
export interface Span {
  readonly traceId: string;
  /** What whoever goes on with the trace is sent. */
  readonly context: { readonly traceparent: string; readonly tracestate: string | undefined };
  /** A request to somebody else that is part of it. */
  child(name: string, attributes: SpanAttributes): Span;
  /** `failure`: why it did not end well, as a word and as a sentence. */
  end(
    name: string,
    attributes: SpanAttributes,
    failure?: { readonly type: string; readonly message?: string | undefined },
  ): void;
}

/** Records some of what happens as traces. */
export interface Tracing {
  /** What somebody has asked of this node. Undefined where it is not recorded. */
  asked(
    name: string,
    parent:
      | { readonly traceparent?: string | undefined; readonly tracestate?: string | undefined }
      | undefined,
  ): Span | undefined;
  /** Sends what waits, for a few seconds at most. */
  shutdown(): Promise<void>;
}

/** How a request ended. `tool_error` is an answer with `isError`; `error` a JSON-RPC error or none at all; `denied` by the policy, `limited` by a limit. */
export type Outcome = 'ok' | 'tool_error' | 'error' | 'cancelled' | 'denied' | 'limited';

/** The era that a request came in. */
export type Face = 'legacy' | 'modern';

/** What is read at each scrape. */
export interface Gauges {
  /** Sessions of clients. */
  readonly sessions: () => number;
  /** Streams open to clients. */
  readonly streams: () => number;
  /** Requests of clients that were sent to a server and are not answered. */
  readonly inFlight: () => number;
  /** Requests that were let in and are not over, those that the gateway answers itself among them. */
  readonly admitted: () => number;
  /** How often something was refused for want of room or time, by why. */
  readonly refused: () => Iterable<readonly [reason: string, count: number]>;
  /** Requests that wait to be told that they are refused. */
  readonly refusalsWaiting: () => number;
  /** 1 while there is less time than is asked for, else 0. */
  readonly overloaded: () => number;
  /** Calls of modern clients that wait for their clients' answers. */
  readonly parkedCalls: () => number;
  /** Downstream servers running as processes. */
  readonly stdioProcesses: () => number;
  /** Events that are not stored yet, and not on their way to whoever stores them. */
  readonly eventsWaiting: () => number;
  /** Entries of events on their way to the database, where this node is the one that stores them. */
  readonly eventBacklog: () => number | undefined;
  /** How many events this node has stored, and how many were lost, by what became of them. */
  readonly events: () => Iterable<readonly [result: string, count: number]>;
  /** The circuit breakers of the servers that were called. */
  readonly breakers: () => Iterable<{
    readonly server: string;
    readonly state: 'closed' | 'half-open' | 'open';
  }>;
  /** Of what servers list: how long ago it was found out, in seconds. */
  readonly catalogAges: () => Iterable<readonly [server: string, seconds: number]>;
  /** Requests to processes of other nodes, and of other nodes to those here. */
  readonly forwards: () => Iterable<readonly [direction: 'sent' | 'served', count: number]>;
}

/** What a node keeps things in. */
export type Store = 'redis' | 'postgresql';

/** Told of each time that a store was waited for, in seconds. */
export type ObserveStore = (store: Store, seconds: number, isOk: boolean) => void;

/** Counts and durations. Recording is cheap enough for each request: a look into a map or two, and numbers that rise. */
export interface Metrics {
  /** A client's request was answered, after so many seconds. Methods that MCP does not have count as `other`. `face`: default legacy. */
  request(method: string, outcome: Outcome, seconds: number, face?: Face): void;
  /** How long a request was in the gateway before its server was asked. */
  overhead(seconds: number, face: Face): void;
  /** A call of the management API, by the name of its method, one that there is. */
  management(method: string, outcome: Outcome, seconds: number): void;
  /** A downstream answered, or failed to. `tool`: by the server's own name of one that it lists. Of servers and tools beyond a bound there is one `other`. */
  downstream(server: string, outcome: Outcome, seconds: number, method: string, tool?: string): void;
  readonly store: ObserveStore;
  /** A run of a job of this node ended. */
  job(name: string, outcome: Extract<Outcome, 'ok' | 'error'>, seconds: number): void;
  /** A client's `requestState` was not taken. `why`: one of a handful of words. */
  requestStateRefused(why: string): void;
  /** A call was over the limit of this name. */
  limited(limit: string): void;
  /** A client has come back for what it missed: of the answer to a request, or of the standalone stream. */
  replayed(stream: 'request' | 'standalone'): void;
  /** A call is run again, as its connection was lost. */
  repeated(): void;
  /** Says where gauges are read. */
  observe(gauges: Partial<Gauges>): void;
  /** All of it in the text format of Prometheus. */
  scrape(): Promise<string>;
  shutdown(): Promise<void>;
}
