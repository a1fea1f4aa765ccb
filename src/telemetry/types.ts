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
