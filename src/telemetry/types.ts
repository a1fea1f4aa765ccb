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
  /** How many events this node has stored, and how many were lost, by what became of them. */
  readonly events: () => Iterable<readonly [result: string, count: number]>;
  /** The circuit breakers of the servers that were called. */
  readonly breakers: () => Iterable<{
    readonly server: string;
    readonly state: 'closed' | 'half-open' | 'open';
  }>;
}

/** Counts and durations. Recording is cheap enough for each request: about half a microsecond an instrument. */
export interface Metrics {
  /** A client's request was answered, after so many seconds. Methods that MCP does not have count as `other`. `face`: default legacy. */
  request(method: string, outcome: Outcome, seconds: number, face?: Face): void;
  /** A downstream answered, or failed to. Servers beyond the first 200 count as `other`. */
  downstream(server: string, outcome: Outcome, seconds: number): void;
  /** A run of a job of this node ended. */
  job(name: string, outcome: Extract<Outcome, 'ok' | 'error'>, seconds: number): void;
  /** A client's `requestState` was not taken. `why`: one of a handful of words. */
  requestStateRefused(why: string): void;
  /** Says where gauges are read. */
  observe(gauges: Partial<Gauges>): void;
  /** All of it in the text format of Prometheus. */
  scrape(): Promise<string>;
  shutdown(): Promise<void>;
}
